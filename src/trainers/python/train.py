"""`train.py FOLDER` trains the job in a folder; `train.py --check` tells what is installed."""

import json
import os
import platform
import sys
import threading
import time

from sipf_torch import packages
from sipf_torch.events import Refusal, ends_with, open_events, tell


def check(quantised):
    """What is here, whatever is missing."""
    found = packages.packages(quantised)
    devices, problem = [], None
    if all(package['found'] for package in found):
        try:
            devices = devices_here()
        except Exception as error:  # A broken installation is what a check is for.
            problem = f'{type(error).__name__}: {error}'
    name = packages.QLORA if quantised else packages.NEEDED
    requirements = os.path.join(packages.FOLDER, name)
    tell('check', python=platform.python_version(), packages=found, devices=devices, problem=problem, requirements=requirements)


def devices_here():
    import torch

    return [torch.cuda.get_device_name(n) for n in range(torch.cuda.device_count())]


def job_in(folder):
    """Its model is there, too."""
    path = os.path.join(folder, 'job.json')
    if not os.path.exists(path):
        raise missing(folder)
    with open(path, encoding='utf-8') as file:
        job = json.load(file)
    if not os.path.isdir(job['model']):
        raise missing(job['model'])
    return job


def missing(folder):
    return Refusal(
        'unsupported',
        f'Expected the folder {folder} on {platform.node()}, where engine.trainer trains, got nothing there. Put it on a disk that this machine shares, or say with engine.trainer.ray.paths where it sees it.',
    )


def train(folder):
    from sipf_torch.loop import Training, read_json

    quiet()
    Training(folder).run()


def quiet():
    import transformers

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()


def is_out_of_memory(error):
    return isinstance(error, MemoryError) or any(text in str(error) for text in ('out of memory', "can't allocate memory"))


def out_of_memory(error):
    said = str(error).strip().splitlines()
    return Refusal(
        'crashed',
        f'Expected enough memory to train, got: {said[0] if said else type(error).__name__}. '
        'Lower tokensPerPass of this training, set engine.trainer.gradientCheckpointing true, or take engine.trainer.precision bf16 or a quantisation.',
    )


def end_with_parent():
    """A launcher that is killed leaves its processes, which are in groups of their own."""
    parent = os.getppid()

    def watch():
        while os.getppid() == parent:
            time.sleep(0.2)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def main(arguments):
    end_with_parent()
    open_events()
    try:
        if arguments[0] == '--check':
            return check('--quantised' in arguments)
        packages.check_packages(job_in(arguments[0])['quantisation'] is not None)
        train(arguments[0])
    except Refusal as refusal:
        ends_with(refusal)
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        ends_with(out_of_memory(error))


main(sys.argv[1:])
