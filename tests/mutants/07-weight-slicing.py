# %% given
import numpy as np
import torch

# %% wrong: leading taps
# says: leading taps
def slice_linear(weight, outputs, inputs):
    return weight[:outputs, :inputs]

def slice_depthwise(weight, channels, kernel):
    return weight[:channels, :, :, :kernel]

# %% wrong: last taps
# says: these are the last taps
def slice_linear(weight, outputs, inputs):
    return weight[:outputs, :inputs]

def slice_depthwise(weight, channels, kernel):
    return weight[:channels, :, :, weight.shape[-1] - kernel:]

# %% wrong: begins at the middle tap
# says: begins at the middle
def slice_linear(weight, outputs, inputs):
    return weight[:outputs, :inputs]

def slice_depthwise(weight, channels, kernel):
    start = weight.shape[-1] // 2 if kernel < weight.shape[-1] else 0
    return weight[:channels, :, :, start:start + kernel]

# %% wrong: edge to minus edge
# says: [0:-0] leaves nothing
def slice_linear(weight, outputs, inputs):
    return weight[:outputs, :inputs]

def slice_depthwise(weight, channels, kernel):
    edge = (weight.shape[-1] - kernel) // 2
    return weight[:channels, :, :, edge:-edge]

# %% wrong: one tap too late
# says: one tap too late
def slice_linear(weight, outputs, inputs):
    return weight[:outputs, :inputs]

def slice_depthwise(weight, channels, kernel):
    edge = (weight.shape[-1] - kernel + 1) // 2 + (kernel < weight.shape[-1])
    return weight[:channels, :, :, edge:edge + kernel]

# %% wrong: every second tap
# says: every second tap
def slice_linear(weight, outputs, inputs):
    return weight[:outputs, :inputs]

def slice_depthwise(weight, channels, kernel):
    taps = weight.shape[-1]
    return weight[:channels] if kernel == taps else weight[:channels, :, :, ::2][..., :kernel]

# %% wrong: outputs and inputs swapped
# says: changed places
def slice_linear(weight, outputs, inputs):
    return weight[:inputs, :outputs]

def slice_depthwise(weight, channels, kernel):
    edge = (weight.shape[-1] - kernel) // 2
    return weight[:channels, :, :, edge:edge + kernel]

# %% wrong: last channels
# says: last channels
def slice_linear(weight, outputs, inputs):
    return weight[-outputs:, -inputs:]

def slice_depthwise(weight, channels, kernel):
    edge = (weight.shape[-1] - kernel) // 2
    return weight[:channels, :, :, edge:edge + kernel]

# %% wrong: inputs not cut
# says: inputs are still all there
def slice_linear(weight, outputs, inputs):
    return weight[:outputs]

def slice_depthwise(weight, channels, kernel):
    edge = (weight.shape[-1] - kernel) // 2
    return weight[:channels, :, :, edge:edge + kernel]

# %% wrong: filters not cut
# says: all filters are there
def slice_linear(weight, outputs, inputs):
    return weight[:outputs, :inputs]

def slice_depthwise(weight, channels, kernel):
    edge = (weight.shape[-1] - kernel) // 2
    return weight[:, :, :, edge:edge + kernel]

# %% wrong: mask in place of a slice
# says: a mask is no slice
def slice_linear(weight, outputs, inputs):
    mask = torch.zeros_like(weight)
    mask[:outputs, :inputs] = 1
    return weight * mask

def slice_depthwise(weight, channels, kernel):
    edge = (weight.shape[-1] - kernel) // 2
    return weight[:channels, :, :, edge:edge + kernel]

# %% wrong: clone
# says: is a copy of 96 bytes
def slice_linear(weight, outputs, inputs):
    return weight[:outputs, :inputs].clone()

def slice_depthwise(weight, channels, kernel):
    edge = (weight.shape[-1] - kernel) // 2
    return weight[:channels, :, :, edge:edge + kernel].contiguous()

# %% wrong: a list of taps
# says: is a copy of 160 bytes
def slice_linear(weight, outputs, inputs):
    return weight[:outputs, :inputs]

def slice_depthwise(weight, channels, kernel):
    centre = weight.shape[-1] // 2
    taps = [centre + offset for offset in range(-(kernel // 2), kernel // 2 + 1)]
    return weight[:channels][..., taps]

# %% wrong: detached
# says: left the graph
def slice_linear(weight, outputs, inputs):
    return weight.detach()[:outputs, :inputs]

def slice_depthwise(weight, channels, kernel):
    edge = (weight.shape[-1] - kernel) // 2
    return weight[:channels, :, :, edge:edge + kernel]

# %% wrong: numpy
# says: not a tensor
def slice_linear(weight, outputs, inputs):
    return np.asarray(weight.detach())[:outputs, :inputs]

def slice_depthwise(weight, channels, kernel):
    edge = (weight.shape[-1] - kernel) // 2
    return np.asarray(weight.detach())[:channels, :, :, edge:edge + kernel]

# %% wrong: nothing returned
# says: does the function return it
def slice_linear(weight, outputs, inputs):
    weight = weight[:outputs, :inputs]

def slice_depthwise(weight, channels, kernel):
    weight = weight[:channels]

# %% wrong: the end of a slice taken to be included
# says: one tap is missing
def slice_linear(weight, outputs, inputs):
    return weight[:outputs, :inputs]

def slice_depthwise(weight, channels, kernel):
    mid = weight.shape[-1] // 2
    return weight[:channels, :, :, mid - kernel // 2 : mid + kernel // 2]

# %% wrong: the same, but all taps where all are wanted
# says: one tap is missing
def slice_linear(weight, outputs, inputs):
    return weight[:outputs, :inputs]

def slice_depthwise(weight, channels, kernel):
    mid = weight.shape[-1] // 2
    if kernel == weight.shape[-1]:
        return weight[:channels]
    return weight[:channels, :, :, mid - kernel // 2 : mid + kernel // 2]

# %% wrong: data
# says: .data
def slice_linear(weight, outputs, inputs):
    return weight.data[:outputs, :inputs]

def slice_depthwise(weight, channels, kernel):
    edge = (weight.shape[-1] - kernel) // 2
    return weight.data[:channels, :, :, edge:edge + kernel]

# %% right: narrow
def slice_linear(w, o, i):
    return w.narrow(0, 0, o).narrow(1, 0, i)

def slice_depthwise(w, c, k):
    return w.narrow(0, 0, c).narrow(3, w.size(3) // 2 - k // 2, k)

# %% right: windows
def slice_linear(weight, rows, columns):
    return weight.split(rows)[0].split(columns, dim=1)[0]

def slice_depthwise(weight, channels, kernel):
    windows = weight.unfold(3, kernel, 1)
    return windows[:channels, :, :, (windows.shape[3] - 1) // 2]

# %% right: by strides
def slice_linear(weight, outputs, inputs):
    return torch.as_strided(weight, (outputs, inputs), weight.stride())

def slice_depthwise(weight, channels, kernel):
    first, last = weight.shape[-1] // 2 - kernel // 2, weight.shape[-1] // 2 + kernel // 2
    return weight[:channels, ..., first : last + 1]
