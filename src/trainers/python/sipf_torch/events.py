"""What the program says -> JSON lines on the stdout of its start; all else goes to stderr."""

import json
import os
import sys

_out = None


def open_events():
    """Takes stdout for events alone: whatever a library prints goes to stderr from here on."""
    global _out
    _out = os.fdopen(os.dup(1), 'w', encoding='utf-8')
    os.dup2(2, 1)


def tell(event, **fields):
    """One line, also where others write to the same file. A reader that is gone ends the program: nobody waits for its work."""
    _out.write('\n' + json.dumps({'event': event, **fields}, allow_nan=False) + '\n')
    _out.flush()


class Refusal(Exception):
    """Something that the user can put right; `code` is one of sipf's."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


def warn(message):
    tell('warning', message=message)


def ends_with(refusal):
    tell('error', code=refusal.code, message=str(refusal))
    sys.stderr.flush()
    # Other processes of a group may wait for this one in a collective call: no clean-up may hang there.
    os._exit(2)
