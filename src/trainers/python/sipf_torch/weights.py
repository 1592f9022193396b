"""A job's model folder and first values -> a model that reads examples; its trained tensors."""

import hashlib
import json
import os

import torch
import torch.nn.functional as F
from peft import LoraConfig, inject_adapter_in_model
from peft.tuners.lora import LoraLayer
from safetensors.torch import load_file
from torch.utils.checkpoint import checkpoint
from transformers import AutoConfig, AutoModelForCausalLM

# Logits that are kept for the backward pass; more are computed in parts, and again there.
MOST_LOGITS = 2**26

# How PEFT calls the adapter that stays as it is, and the one that is trained.
BELOW, TRAINED = 'below', 'default'


class Model:
    """Reads examples as an objective wants them. `trained` are the tensors that training changes, in float32."""

    def __init__(self, job, folder, device):
        self.job, self.device = job, device
        start = load_file(os.path.join(folder, 'start.safetensors'))
        self.causal = load_causal(job, device)
        self.decoder = self.causal.base_model
        if job['gradientCheckpointing']:
            self.causal.gradient_checkpointing_enable({'use_reentrant': False})
        self.score = head(start, self.causal.config.hidden_size, device)
        self.causal.requires_grad_(False)
        if job['lora'] is None:
            merge(self.causal, job['below'], start)
            named = self.decoder.named_parameters(self.causal.base_model_prefix) if self.score else self.causal.named_parameters()
            self.trained = dict(named)
        else:
            self.trained = add_factors(self.causal, job, start)
        if self.score:
            biased = job['objective'].get('headBias') is not False
            self.trained.update((f'score.{name}', value) for name, value in self.score.named_parameters() if biased or name != 'bias')
        for tensor in self.trained.values():
            tensor.requires_grad_(True)
        self.causal.train()

    def read(self, examples, objective):
        """Log-probabilities `[n]` of the tokens that the objective predicts, or log-odds of steps; None where it reads none."""
        predictions, first = [], 0
        for example in examples:
            predictions += [(first + row, place, target) for row, place, target in objective.predictions(example)]
            first += len(example.rows)
        if not predictions:
            return None
        rows, places, targets = zip(*predictions)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.job['precision'] == 'bf16'):
            hidden = self.hidden([row for example in examples for row in example.rows])
            states = hidden[torch.tensor(rows, device=self.device), torch.tensor(places, device=self.device)]
            return self.log_odds(states) if objective.reads == 'ends' else self.logps(states, torch.tensor(targets, device=self.device))

    def hidden(self, rows):
        """Final hidden states `[rows, width, hidden]`; padding is on the right, where no token before it sees it."""
        width = max(map(len, rows))
        ids = torch.tensor([row + [0] * (width - len(row)) for row in rows], device=self.device)
        mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows], device=self.device)
        return self.decoder(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state

    def logps(self, states, targets):
        def part(states, targets):
            logits = self.causal.get_output_embeddings()(states).float()
            cap = getattr(self.causal.config, 'final_logit_softcapping', None)
            if cap is not None:
                logits = cap * torch.tanh(logits / cap)
            return -F.cross_entropy(logits, targets, reduction='none')

        at_once = max(1, MOST_LOGITS // self.causal.config.vocab_size)
        if len(targets) <= at_once:
            return part(states, targets)
        parts = zip(states.split(at_once), targets.split(at_once))
        return torch.cat([checkpoint(part, *each, use_reentrant=False) for each in parts])

    def log_odds(self, states):
        with torch.autocast(self.device.type, enabled=False):
            logits = self.score(states.float())
        return logits[:, 1] - logits[:, 0]

    def values(self):
        """The trained tensors under sipf's names, in main memory."""
        return {name: value.detach().float().cpu().contiguous() for name, value in self.trained.items()}

    def digest(self):
        """Of every bit of the trained tensors."""
        found = hashlib.sha256()
        for _, value in sorted(self.trained.items()):
            found.update(value.detach().cpu().contiguous().view(torch.uint8).numpy())
        return found.hexdigest()


def config_of(folder):
    """A JSON of JavaScript has 30 for 30.0, which transformers refuses where it wants a float."""
    with open(os.path.join(folder, 'config.json'), encoding='utf-8') as file:
        given = json.load(file)
    usual = AutoConfig.for_model(given['model_type'])
    floats = {key: float(value) for key, value in given.items() if type(value) is int and isinstance(getattr(usual, key, None), float)}
    return AutoConfig.for_model(**{**given, **floats})


def load_causal(job, device):
    config = config_of(job['model'])
    if job['tied'] is not None:
        config.tie_word_embeddings = job['tied']
    # sipf's engine has dropout in factors alone.
    for name, value in vars(config).items():
        if name.endswith(('dropout', '_pdrop')) and isinstance(value, float):
            setattr(config, name, 0.0)
    frozen = job['lora'] is not None
    options = {'dtype': torch.bfloat16 if frozen and job['precision'] == 'bf16' else torch.float32}
    if job['quantisation'] is not None:
        options |= {'quantization_config': four_bits(job), 'device_map': {'': device}}
    causal = AutoModelForCausalLM.from_pretrained(job['model'], config=config, local_files_only=True, use_safetensors=True, **options)
    return causal if job['quantisation'] is not None else causal.to(device)


def four_bits(job):
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type='nf4',
        bnb_4bit_use_double_quant=job['quantisation'] == 'nf4-double',
        bnb_4bit_compute_dtype=torch.bfloat16 if job['precision'] == 'bf16' else torch.float32,
    )


def head(start, hidden, device):
    """The process reward model's head, where training begins with one."""
    if 'score.weight' not in start:
        return None
    score = torch.nn.Linear(hidden, 2)
    with torch.no_grad():
        score.weight.copy_(start['score.weight'])
        score.bias.copy_(start.get('score.bias', torch.zeros(2)))
    return score.to(device)


def factors(module, adapter):
    """How PEFT calls a module's two factors, and how sipf does."""
    return [(f'{module}.lora_{half}.{adapter}.weight', f'{module}.lora_{half}.weight') for half in 'AB']


def add_factors(causal, job, start):
    """Puts the trained factors on the model, over those of an adapter below them."""
    shapes = {BELOW: job['below'], TRAINED: job['lora']}
    adapters = [name for name, shape in shapes.items() if shape is not None]
    for name in adapters:
        shape = shapes[name]
        config = LoraConfig(r=shape['rank'], lora_alpha=shape['alpha'], lora_dropout=shape['dropout'], target_modules=shape['modules'])
        inject_adapter_in_model(config, causal, adapter_name=name)
    named = dict(causal.named_parameters())
    for name in adapters:
        for module in shapes[name]['modules']:
            for own, key in factors(module, name):
                # Whatever the base's type: float32.
                named[own].data = start[f'{BELOW}.{key}' if name == BELOW else key].to(named[own].device)
    for layer in causal.modules():
        if isinstance(layer, LoraLayer):
            layer.set_adapter([name for name in adapters if name in layer.lora_A])
    causal.requires_grad_(False)
    return {key: named[own] for module in job['lora']['modules'] for own, key in factors(module, TRAINED)}


def merge(causal, below, start):
    """W + scale · B A, where all weights are trained from a model with an adapter."""
    if below is None:
        return
    with torch.no_grad():
        for module in below['modules']:
            a, b = (start[f'{BELOW}.{module}.lora_{half}.weight'] for half in 'AB')
            weight = causal.get_parameter(f'{module}.weight')
            weight += (b @ a).to(weight.device) * (below['alpha'] / below['rank'])
