"""Pinned requirements and what is installed -> what is missing or other. Imports no package."""

import os
import platform
import re
from importlib.metadata import PackageNotFoundError, version

from sipf_torch.events import Refusal, warn

FOLDER = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
NEEDED, QLORA, S3 = 'requirements.txt', 'requirements-qlora.txt', 'requirements-s3.txt'


def pinned(name):
    """Package -> version of a requirements file and of those that it names."""
    found = {}
    with open(os.path.join(FOLDER, name), encoding='utf-8') as lines:
        for line in lines:
            other = re.match(r'-r (\S+)', line)
            pin = re.match(r'([\w-]+)==(\S+)', line)
            if other:
                found.update(pinned(other[1]))
            elif pin:
                found[pin[1]] = pin[2]
    return found


def installed(package):
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def files_of(quantised, stored=False):
    """The requirements files that apply."""
    return [QLORA if quantised else NEEDED] + ([S3] if stored else [])


def packages(files):
    """[{name, wanted, found}] of requirements files; `found` is null where the package is missing."""
    wanted = {name: pin for file in files for name, pin in pinned(file).items()}
    return [{'name': name, 'wanted': pin, 'found': installed(name)} for name, pin in wanted.items()]


def series(release):
    """What a release shares with those that work alike: its first number, and the second below 1."""
    numbers = release.split('.')
    return numbers[:2] if numbers[0] == '0' else numbers[:1]


def check_packages(files):
    """Raises where a package is missing or of another series; warns where it is another release of the same one."""
    install = ' '.join(['pip install'] + [f'-r {os.path.join(FOLDER, file)}' for file in files])
    for package in packages(files):
        name, wanted, found = package['name'], package['wanted'], package['found']
        if found is None or series(found) != series(wanted):
            raise Refusal('provider-unavailable', f'Expected the Python package {name} {wanted} for engine.trainer torch on {platform.node()}, got {found or "none"}. Install it: {install}')
        if found.split('+')[0] != wanted and os.environ.get('RANK', '0') == '0':
            warn(f'The Python package {name} is {found}; engine.trainer torch was tested with {wanted}.')
