"""Where a job is, a shared folder or a bucket -> its files in a folder of this machine."""

import json
import os
import platform
import re
import shutil
import tempfile
from contextlib import contextmanager

from sipf_torch.events import Refusal

JOB, TRAINED = 'job.json', 'trained.safetensors'
LEFT = 'sipf-job-'
AGAIN = 'Then the same command continues.'


def place_at(name):
    return Bucket(name) if is_bucket(name) else Disk(name)


def is_bucket(name):
    return name.startswith('s3://')


class Disk:
    """Its files are used where they are."""

    def __init__(self, path):
        self.path = path

    def job(self):
        """Its model is there, too."""
        if not os.path.exists(os.path.join(self.path, JOB)):
            raise missing(self.path)
        with open(os.path.join(self.path, JOB), encoding='utf-8') as file:
            job = json.load(file)
        if not os.path.isdir(job['model']):
            raise missing(job['model'])
        return job

    def fetch(self, job, group):
        """The folders of the job and of its model; the processes of a group have the same ones."""
        return self.path, job['model']

    def keep(self, name):
        """A file of the folder is whole."""

    def drop(self, name):
        """A file of the folder is gone."""

    def clear(self):
        """What is here only for this process goes."""


class Bucket:
    """Its files come into a temporary folder, and what is written there goes back."""

    def __init__(self, address):
        self.address, self.folder, self.lock = address, None, None
        with self.asking('read', address):
            self.client = client()

    def job(self):
        bucket, path = parts(f'{self.address}/{JOB}')
        with self.asking('read', f'{self.address}/{JOB}'):
            return json.loads(self.client.get_object(Bucket=bucket, Key=path)['Body'].read())

    def fetch(self, job, group):
        return group.of_first(lambda: self.bring(job['model']))

    def bring(self, model):
        with self.asking('read', self.address):
            self.folder, self.lock = new_folder()
            self.download(self.address, self.folder, lambda name: name != TRAINED)
        with self.asking('read', model):
            there = os.path.join(self.folder, 'model')
            os.mkdir(there)
            self.download(model, there, lambda name: re.fullmatch(r'config\.json|(?!consolidated).*\.safetensors(\.index\.json)?', name))
        return self.folder, there

    def download(self, address, folder, is_wanted):
        """Files right below an address."""
        bucket, path = parts(address)
        above = f'{path}/' if path else ''
        for page in self.client.get_paginator('list_objects_v2').paginate(Bucket=bucket, Prefix=above, Delimiter='/'):
            for name in (entry['Key'][len(above) :] for entry in page.get('Contents', [])):
                if name and is_wanted(name):
                    self.client.download_file(bucket, above + name, os.path.join(folder, name))

    def look(self):
        bucket, path = parts(self.address)
        with self.asking('list', self.address):
            self.client.list_objects_v2(Bucket=bucket, Prefix=f'{path}/', MaxKeys=1)

    def keep(self, name):
        bucket, path = parts(f'{self.address}/{name}')
        with self.asking('write', f'{self.address}/{name}'):
            self.client.upload_file(os.path.join(self.folder, name), bucket, path)

    def drop(self, name):
        bucket, path = parts(f'{self.address}/{name}')
        with self.asking('delete', f'{self.address}/{name}'):
            self.client.delete_object(Bucket=bucket, Key=path)

    def clear(self):
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)

    @contextmanager
    def asking(self, verb, address):
        from boto3.exceptions import Boto3Error
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            yield
        except (Boto3Error, BotoCoreError, ClientError, OSError) as error:
            got, advice = meaning(error)
            raise Refusal('provider-unavailable', f'Expected to {verb} {address} from {platform.node()}, where engine.trainer trains, got {got}. {advice} {AGAIN}') from None


def parts(address):
    bucket, _, path = address[len('s3://') :].partition('/')
    return bucket, path


def client():
    """Keys are found in boto3's own ways: environment, files, the machine's role."""
    import boto3
    from botocore.config import Config

    # Other servers than AWS's have no name for each bucket.
    own = os.environ.get('AWS_ENDPOINT_URL_S3') or os.environ.get('AWS_ENDPOINT_URL')
    tries = {'mode': 'standard', 'total_max_attempts': int(os.environ.get('AWS_MAX_ATTEMPTS') or 10)}
    return boto3.client('s3', config=Config(retries=tries, s3={'addressing_style': 'path'} if own else None))


KEYS = 'Correct AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY on the machines of the cluster, or their role.'
SPACE = 'Free some space there.'
# Code of an error of the service -> what it means, what to do.
MEANINGS = {
    'NoSuchBucket': ('no bucket of that name', 'Make the bucket, or correct engine.trainer.ray.storage.'),
    'NoSuchKey': ('nothing there', 'Let nobody delete it while a training is at work.'),
    'InvalidAccessKeyId': ('a refusal: no such key', KEYS),
    'SignatureDoesNotMatch': ('a refusal: a wrong secret', KEYS),
    'ExpiredToken': ('a refusal: the keys have expired', KEYS),
    'AccessDenied': ('a refusal (AccessDenied)', 'Allow its key s3:ListBucket on the bucket, and s3:GetObject, s3:PutObject and s3:DeleteObject on what is in it.'),
    'XMinioStorageFull': ('a full disk there', SPACE),
    '507': ('a full disk there', SPACE),
}


def meaning(error):
    """What is wrong, and what to do. A client's own text may hold what is nobody's business: it is not repeated."""
    name = type(error).__name__
    if isinstance(error, OSError):
        return error.strerror or name, f'Free some space in {tempfile.gettempdir()} of that machine, or set TMPDIR there.'
    code = re.search(r'An error occurred \((\w+)\)', str(error))
    if code:
        return MEANINGS.get(code[1], (f'an error ({code[1]})', 'Correct the address, the keys or the server.'))
    if 'Credentials' in name:
        return 'no keys there', 'Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY on the machines of the cluster, or give these a role.'
    return f'no answer ({name})', 'Check the network of that machine, and AWS_ENDPOINT_URL_S3 there.'


def new_folder():
    """A temporary folder, and the lock that says that it is in use. Those of killed processes go."""
    import fcntl

    def locked(folder):
        lock = open(os.path.join(folder, 'lock'), 'a')
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return lock

    above = tempfile.gettempdir()
    for name in os.listdir(above):
        try:
            if name.startswith(LEFT):
                with locked(os.path.join(above, name)):
                    shutil.rmtree(os.path.join(above, name), ignore_errors=True)
        except OSError:
            # Somebody else's, or in use.
            continue
    # It has its name when it has its lock.
    new = tempfile.mkdtemp(prefix='sipf-new-')
    lock, folder = locked(new), os.path.join(above, LEFT + os.path.basename(new))
    os.rename(new, folder)
    return folder, lock


def missing(folder):
    return Refusal(
        'unsupported',
        f'Expected the folder {folder} on {platform.node()}, where engine.trainer trains, got nothing there. Put it on a disk that this machine shares, say with engine.trainer.ray.paths where it sees it, or name a bucket: engine.trainer.ray.storage.',
    )
