"""`train.py PLACE` trains the job in a folder or bucket; `train.py --check` tells what is here."""

import os
import platform
import sys
import threading
import time

from sipf_torch import packages
from sipf_torch.events import Refusal, ends_with, open_events, tell
from sipf_torch.places import is_bucket, place_at


def check(quantised, storage):
    """What is here, whatever is missing."""
    files = packages.files_of(quantised, storage is not None)
    found = packages.packages(files)
    devices, problem, refused = [], None, None
    if all(package['found'] for package in found):
        try:
            devices = devices_here()
        except Exception as error:  # A broken installation is what a check is for.
            problem = f'{type(error).__name__}: {error}'
        refused = refusal_of(storage)
    requirements = ' -r '.join(os.path.join(packages.FOLDER, name) for name in files)
    tell('check', python=platform.python_version(), packages=found, devices=devices, problem=problem, requirements=requirements, storage=refused)


def refusal_of(storage):
    """Why a bucket cannot be used from here, if so."""
    try:
        if storage is not None:
            place_at(storage).look()
    except Refusal as refusal:
        return str(refusal)


def devices_here():
    import torch

    return [torch.cuda.get_device_name(n) for n in range(torch.cuda.device_count())]


def train(name):
    packages.check_packages([packages.S3] if is_bucket(name) else [])
    place = place_at(name)
    try:
        job = place.job()
        packages.check_packages(packages.files_of(job['quantisation'] is not None))
        from sipf_torch.loop import Training

        quiet()
        Training(place, job).run()
    finally:
        place.clear()


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
            storage = arguments[arguments.index('--storage') + 1] if '--storage' in arguments else None
            return check('--quantised' in arguments, storage)
        train(arguments[0])
    except Refusal as refusal:
        ends_with(refusal)
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        ends_with(out_of_memory(error))


main(sys.argv[1:])
