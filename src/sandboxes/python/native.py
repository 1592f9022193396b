# Runs as a process of the native sandbox: `native.py candidate|grader MEMORY_BYTES`.
# Messages on standard input and output, each with four bytes of length; the grader's begin with A (a question for the code) or V (the verdict).
import os
import resource
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True

import candidate  # noqa: E402
import grader  # noqa: E402


def take_pipes():
    """Our own descriptors of the two pipes; the standard ones lead nowhere from here on."""
    pipes = os.dup(0), os.dup(1)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nowhere, standard)
    return pipes


def read_exactly(pipe, size):
    parts = []
    while size > 0:
        part = os.read(pipe, min(size, 1 << 20))
        if not part:
            os._exit(0)
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def read_message(pipe):
    return read_exactly(pipe, int.from_bytes(read_exactly(pipe, 4), "little"))


def write_message(pipe, message):
    rest = memoryview(len(message).to_bytes(4, "little") + message)
    while rest:
        rest = rest[os.write(pipe, rest) :]


def main():
    role, memory = sys.argv[1], int(sys.argv[2])
    incoming, outgoing = take_pipes()
    sys.argv[:] = [""]
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NPROC, (16, 16))
    resource.setrlimit(resource.RLIMIT_FSIZE, (16 << 20, 16 << 20))
    if role == "candidate":
        serving = candidate.Candidate()
        while True:
            write_message(outgoing, candidate.answer(serving, read_message(incoming)))

    def ask(data):
        write_message(outgoing, b"A" + data)
        return read_message(incoming)

    write_message(outgoing, b"V" + grader.grade(read_message(incoming), ask))


main()
