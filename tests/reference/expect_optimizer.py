"""AdamW and SGD with clipping and parameter groups. Usage: python tests/reference/expect_optimizer.py"""
import torch

from common import write

# Name, shape, learning-rate factor, decay factor: what the test's plan gives each of them.
PARAMETERS = [("visible.backbone.conv1.weight", (4, 1, 1, 3), 0.1, 1.0),
              ("rpn_head.rpn_conv.weight", (5, 7), 1.0, 1.0),
              ("rpn_head.rpn_conv.bias", (5,), 1.0, 0.0),
              ("roi_head.norm.weight", (6,), 1.0, 0.5)]
RATES = [1e-2, 1e-2, 5e-3, 2e-3, 2e-2]
LR, DECAY, CLIP = 1e-2, 5e-2, 3.0


def run(make, clip):
    generator = torch.Generator().manual_seed(7)
    values = [torch.randn(shape, generator=generator) for _, shape, _, _ in PARAMETERS]
    parameters = [torch.nn.Parameter(v.clone()) for v in values]
    optimizer = make([{"params": [p], "lr": LR * lr, "weight_decay": DECAY * decay}
                      for p, (_, _, lr, decay) in zip(parameters, PARAMETERS)])
    out = {f"start.{name}": v for (name, *_), v in zip(PARAMETERS, values)}
    for step, rate in enumerate(RATES):
        for parameter, group, (name, shape, lr, _) in zip(parameters, optimizer.param_groups, PARAMETERS):
            # Small, then large: with and without effect of the clip.
            parameter.grad = torch.randn(shape, generator=generator) * (0.2 if step % 2 == 0 else 4.0)
            out[f"gradient.{step}.{name}"] = parameter.grad.clone()
            group["lr"] = rate * lr
        norm = torch.nn.utils.clip_grad_norm_(parameters, clip) if clip else \
            torch.linalg.vector_norm(torch.cat([p.grad.flatten() for p in parameters]))
        out[f"norm.{step}"] = norm
        optimizer.step()
        for parameter, (name, *_) in zip(parameters, PARAMETERS):
            out[f"after.{step}.{name}"] = parameter.detach().clone()
    for parameter, (name, *_) in zip(parameters, PARAMETERS):
        for key, value in optimizer.state[parameter].items():
            if key != "step":
                out[f"{key}.{name}"] = value
    return out


if __name__ == "__main__":
    adamw = lambda groups: torch.optim.AdamW(groups, betas=(0.9, 0.99), eps=1e-8)
    sgd = lambda groups: torch.optim.SGD(groups, lr=LR, momentum=0.9)
    write("optimizer_adamw.txt", run(adamw, CLIP))
    write("optimizer_adamw_unclipped.txt", run(adamw, None))
    write("optimizer_sgd.txt", run(sgd, CLIP))
