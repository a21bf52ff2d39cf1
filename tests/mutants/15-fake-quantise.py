# %% given
import torch


def good_fake_quantise(x, scale, bits):
    top = 2 ** (bits - 1) - 1
    q = (x / scale).round()
    free = x * (q.abs() <= top)
    return free + (q.clamp(-top, top) * scale - free).detach()


def good_per_channel(weight, bits):
    scale = weight.detach().abs().amax(1, keepdim=True) / (2 ** (bits - 1) - 1)
    return fake_quantise(weight, scale.where(scale > 0, 1.0), bits)


def with_scale(scale):
    return lambda weight, bits: fake_quantise(weight, scale(weight.detach(), bits).clamp(min=1e-9), bits)


fake_quantise, per_channel = good_fake_quantise, good_per_channel

# %% wrong: whole numbers
# says: this is q
def fake_quantise(x, scale, bits):
    top = 2 ** (bits - 1) - 1
    return x + ((x / scale).round().clamp(-top, top) - x).detach()

# %% wrong: multiplied first
# says: x is divided by it
def fake_quantise(x, scale, bits):
    top = 2 ** (bits - 1) - 1
    return x + ((x * scale).round().clamp(-top, top) / scale - x).detach()

# %% wrong: floor
# says: floor always goes down
def fake_quantise(x, scale, bits):
    top = 2 ** (bits - 1) - 1
    return x + ((x / scale).floor().clamp(-top, top) * scale - x).detach()

# %% wrong: integers by cutting off
# says: cutting off goes towards zero
def fake_quantise(x, scale, bits):
    top = 2 ** (bits - 1) - 1
    return x + ((x / scale).to(torch.int32).clamp(-top, top) * scale - x).detach()

# %% wrong: ceil
# says: ceil always goes up
def fake_quantise(x, scale, bits):
    top = 2 ** (bits - 1) - 1
    return x + ((x / scale).ceil().clamp(-top, top) * scale - x).detach()

# %% wrong: only clipped
# says: nothing is rounded
def fake_quantise(x, scale, bits):
    top = 2 ** (bits - 1) - 1
    return (x / scale).clamp(-top, top) * scale

# %% wrong: nothing clipped
# says: nothing is clipped
def fake_quantise(x, scale, bits):
    return x + ((x / scale).round() * scale - x).detach()

# %% wrong: one level too many on both sides
# says: one too many
def fake_quantise(x, scale, bits):
    top = 2 ** (bits - 1)
    q = (x / scale).round()
    free = x * (q.abs() <= top)
    return free + (q.clamp(-top, top) * scale - free).detach()

# %% wrong: the integer's own range
# says: left out so that the grid is symmetric
def fake_quantise(x, scale, bits):
    half = 2 ** (bits - 1)
    q = (x / scale).round()
    free = x * ((q >= -half) & (q < half))
    return free + (q.clamp(-half, half - 1) * scale - free).detach()

# %% wrong: unsigned
# says: start at 0
def fake_quantise(x, scale, bits):
    q = (x / scale).round().clamp(0, 2**bits - 1)
    return x + (q * scale - x).detach()

# %% wrong: the sign takes no bit
# says: one bit more
def fake_quantise(x, scale, bits):
    top = 2**bits - 1
    return x + ((x / scale).round().clamp(-top, top) * scale - x).detach()

# %% wrong: overflow
# says: wraps round
def fake_quantise(x, scale, bits):
    half = 2 ** (bits - 1)
    q = ((x / scale).round() + half) % (2 * half) - half
    return x + (q * scale - x).detach()

# %% wrong: x clipped instead of q
# says: clip q, not x
def fake_quantise(x, scale, bits):
    top = 2 ** (bits - 1) - 1
    return x + ((x.clamp(-top, top) / scale).round() * scale - x).detach()

# %% wrong: rounding's own slope
# says: no slope is left
def fake_quantise(x, scale, bits):
    top = 2 ** (bits - 1) - 1
    return (x / scale).round().clamp(-top, top) * scale

# %% wrong: detached
# says: left the graph
def fake_quantise(x, scale, bits):
    return good_fake_quantise(x, scale, bits).detach()

# %% wrong: gradient divided by the scale
# says: divided by the scale
def fake_quantise(x, scale, bits):
    top = 2 ** (bits - 1) - 1
    u = x / scale
    return u + ((u.round().clamp(-top, top)) * scale - u).detach()

# %% wrong: twice in the graph
# says: twice
def fake_quantise(x, scale, bits):
    top = 2 ** (bits - 1) - 1
    return 2 * x + ((x / scale).round().clamp(-top, top) * scale - 2 * x).detach()

# %% wrong: what was clipped pulls
# says: still pulls
def fake_quantise(x, scale, bits):
    top = 2 ** (bits - 1) - 1
    return x + ((x / scale).round().clamp(-top, top) * scale - x).detach()

# %% wrong: the last level stopped, as a clamp behind the rounding does from torch 2.14 on
# says: lands on the last level
def fake_quantise(x, scale, bits):
    top = 2 ** (bits - 1) - 1
    q = (x / scale).round()
    free = x * (q.abs() < top)
    return free + (q.clamp(-top, top) * scale - free).detach()

# %% wrong: the mask turned
# says: no slope is left
# not: still pulls
def fake_quantise(x, scale, bits):
    top = 2 ** (bits - 1) - 1
    q = (x / scale).round()
    free = x * (q.abs() > top)
    return free + (q.clamp(-top, top) * scale - free).detach()

# %% wrong: one scale for the matrix
# says: serves the whole matrix
per_channel = with_scale(lambda w, bits: w.abs().max() / (2 ** (bits - 1) - 1))

# %% wrong: by column
# says: it is the outputs (rows)
per_channel = with_scale(lambda w, bits: w.abs().amax(0, keepdim=True) / (2 ** (bits - 1) - 1))

# %% wrong: no keepdim
# says: keepdim
per_channel = with_scale(lambda w, bits: w.abs().amax(1) / (2 ** (bits - 1) - 1))

# %% wrong: without sizes
# says: a negative one may be larger in size
per_channel = with_scale(lambda w, bits: w.amax(1, keepdim=True) / (2 ** (bits - 1) - 1))

# %% wrong: divided by a level that is not there
# says: divide by that
per_channel = with_scale(lambda w, bits: w.abs().amax(1, keepdim=True) / 2 ** (bits - 1))

# %% wrong: the mean
# says: the mean size decides
per_channel = with_scale(lambda w, bits: w.abs().mean(1, keepdim=True) / (2 ** (bits - 1) - 1))

# %% wrong: range over all steps
# says: only if the grid is not symmetric
per_channel = with_scale(lambda w, bits: (w.amax(1, keepdim=True) - w.amin(1, keepdim=True)) / (2**bits - 1))

# %% wrong: the largest is the step
# says: how many steps there are
per_channel = with_scale(lambda w, bits: w.abs().amax(1, keepdim=True))

# %% wrong: zero divided by zero
# says: 0 divided by 0
def per_channel(weight, bits):
    return fake_quantise(weight, weight.detach().abs().amax(1, keepdim=True) / (2 ** (bits - 1) - 1), bits)

# %% wrong: a small number added to every scale
# says: per_channel(weight, bits) is
def per_channel(weight, bits):
    scale = weight.detach().abs().amax(1, keepdim=True) / (2 ** (bits - 1) - 1) + 1e-2
    return fake_quantise(weight, scale, bits)

# %% wrong: the scale pulls
# says: detach it
def per_channel(weight, bits):
    scale = weight.abs().amax(1, keepdim=True) / (2 ** (bits - 1) - 1)
    scale = scale.where(scale > 0, 1.0)
    u = weight / scale
    return (u + (u.round() - u).detach()) * scale

# %% wrong: written in place
# says: x was changed
def fake_quantise(x, scale, bits):
    result = good_fake_quantise(x, scale, bits)
    with torch.no_grad():
        x.copy_(result)
    return result

# %% right: a function with its own backward
class Lie(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, scale, top):
        q = torch.round(x / scale)
        ctx.save_for_backward(q.abs() <= top)
        return torch.clip(q, -top, top) * scale

    @staticmethod
    def backward(ctx, slope):
        return slope * ctx.saved_tensors[0], None, None


def fake_quantise(x, scale, bits):
    return Lie.apply(x, scale, 2 ** (bits - 1) - 1)


def per_channel(weight, bits):
    rows = []
    for row in weight:
        largest = row.abs().max().item()
        rows.append(fake_quantise(row, largest / (2 ** (bits - 1) - 1), bits) if largest else row)
    return torch.stack(rows)

# %% right: clipped first, by autograd's own slope
def fake_quantise(x, scale, bits):
    top = 2 ** (bits - 1) - 1
    u = torch.clamp(x / scale, -top, top)
    return (u + (u.round() - u).detach()) * scale

# %% right: torch's own
def fake_quantise(x, scale, bits):
    top = 2 ** (bits - 1) - 1
    scale = torch.as_tensor(scale, dtype=torch.float32)
    if scale.ndim == 0:
        return torch.fake_quantize_per_tensor_affine(x, scale, torch.tensor(0, dtype=torch.int32), -top, top)
    return torch.fake_quantize_per_channel_affine(x, scale.flatten(), torch.zeros(scale.numel(), dtype=torch.int32), 0, -top, top)


def per_channel(weight, bits):
    scale = weight.detach().abs().max(dim=1).values / (2 ** (bits - 1) - 1)
    scale[scale == 0] = 1.0
    return fake_quantise(weight, scale[:, None], bits)

# %% right: where instead of a product, numbers a little larger than none
def fake_quantise(x, scale, bits):
    top = 2 ** (bits - 1) - 1
    q = torch.round(x / scale)
    value = torch.minimum(torch.maximum(q, torch.full_like(q, -top)), torch.full_like(q, top)) * scale
    through = x + (value - x).detach()
    return torch.where(q.abs() > top, value.detach(), through)


def per_channel(weight, bits):
    largest = weight.detach().abs().amax(-1, True).clamp_min(1e-12)
    return fake_quantise(weight, largest / (2 ** (bits - 1) - 1), bits)
