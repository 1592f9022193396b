"""MODEL BASE ADAPTER PRM IDS: folders and token ids -> what transformers and PEFT say, as JSON."""
import json
import sys

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

merged, base, adapter, prm, ids = sys.argv[1:]
tokens = torch.tensor([json.loads(ids)])


def logps(model):
    with torch.no_grad():
        all_logps = model(tokens).logits.log_softmax(-1)
    return all_logps[0, :-1].gather(1, tokens[0, 1:, None])[:, 0].tolist()


def scores(folder):
    tags = json.load(open(f"{folder}/step_scores.json"))
    text = torch.tensor([[*tokens[0].tolist(), tags["step_tag_id"]]])
    with torch.no_grad():
        logits = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)(text).logits[0, -1]
    return logits[tags["returned_token_ids"]].softmax(-1)[0].item()


load = AutoModelForCausalLM.from_pretrained
print(json.dumps({
    "merged": logps(load(merged, dtype=torch.float32)),
    "peft": logps(PeftModel.from_pretrained(load(base, dtype=torch.float32), adapter)),
    "score": scores(prm),
}))
