# %% given
import torch

# %% wrong: centred
# says: half of it lies in the future
def fresh_past(weight):
    return torch.zeros(weight.shape[1] - 1, weight.shape[0])
def causal(x, weight, past):
    kernel = weight.shape[1]
    y = torch.nn.functional.conv1d(torch.nn.functional.pad(x.T[None], ((kernel - 1) // 2, kernel // 2)),
                                   weight[:, None], groups=weight.shape[0])[0].T
    return y, torch.cat([past, x])[len(x):]

# %% wrong: filter turned round
# says: the filter is turned round
def fresh_past(weight):
    return torch.zeros(weight.shape[1] - 1, weight.shape[0])
def causal(x, weight, past):
    joined, kernel = torch.cat([past, x]), weight.shape[1]
    return sum(weight[:, kernel - 1 - j] * joined[j : j + len(x)] for j in range(kernel)), joined[len(x):]

# %% wrong: past forgotten
# says: the past is not looked at
def fresh_past(weight):
    return torch.zeros(weight.shape[1] - 1, weight.shape[0])
def causal(x, weight, past):
    joined = torch.cat([torch.zeros_like(past), x])
    return sum(weight[:, j] * joined[j : j + len(x)] for j in range(weight.shape[1])), torch.cat([past, x])[len(x):]

# %% wrong: short pieces
# says: the piece alone is too short
def fresh_past(weight):
    return torch.zeros(weight.shape[1] - 1, weight.shape[0])
def causal(x, weight, past):
    joined, kernel = torch.cat([past, x]), weight.shape[1]
    y = sum(weight[:, j] * joined[j : j + len(x)] for j in range(kernel))
    return y, x[max(0, len(x) - kernel + 1):].clone()

# %% wrong: minus 0
# says: minus 0 counts from the front
def fresh_past(weight):
    return torch.zeros(weight.shape[1] - 1, weight.shape[0])
def causal(x, weight, past):
    joined, kernel = torch.cat([past, x]), weight.shape[1]
    return sum(weight[:, j] * joined[j : j + len(x)] for j in range(kernel)), joined[-(kernel - 1):]

# %% wrong: everything is kept
# says: must not grow
def fresh_past(weight):
    return torch.zeros(weight.shape[1] - 1, weight.shape[0])
def causal(x, weight, past):
    joined, kernel = torch.cat([past, x]), weight.shape[1]
    late = joined[len(joined) - len(x) - kernel + 1:]
    return sum(weight[:, j] * late[j : j + len(x)] for j in range(kernel)), joined

# %% wrong: outputs kept
# says: the window needs inputs
def fresh_past(weight):
    return torch.zeros(weight.shape[1] - 1, weight.shape[0])
def causal(x, weight, past):
    joined = torch.cat([past, x])
    y = sum(weight[:, j] * joined[j : j + len(x)] for j in range(weight.shape[1]))
    return y, torch.cat([past, y])[len(x):]

# %% wrong: past never moves
# says: handed on as it came
def fresh_past(weight):
    return torch.zeros(weight.shape[1] - 1, weight.shape[0])
def causal(x, weight, past):
    joined = torch.cat([past, x])
    return sum(weight[:, j] * joined[j : j + len(x)] for j in range(weight.shape[1])), past

# %% wrong: one frame too much
# says: kernel - 1 frames
def fresh_past(weight):
    return torch.zeros(weight.shape[1], weight.shape[0])
def causal(x, weight, past):
    joined = torch.cat([past, x])
    y = sum(weight[:, j] * joined[len(joined) - len(x) - weight.shape[1] + 1 + j :][: len(x)]
            for j in range(weight.shape[1]))
    return y, joined[len(x):]

# %% wrong: written in place
# says: the past that was handed in is changed
def fresh_past(weight):
    return torch.zeros(weight.shape[1] - 1, weight.shape[0])
def causal(x, weight, past):
    joined = torch.cat([past, x])
    y = sum(weight[:, j] * joined[j : j + len(x)] for j in range(weight.shape[1]))
    return y, past.copy_(joined[len(x):].detach())

# %% wrong: a view of the buffer
# says: a view of a buffer
def fresh_past(weight):
    return torch.zeros(weight.shape[1] - 1, weight.shape[0])
def causal(x, weight, past):
    joined, kernel = torch.cat([past, x]), weight.shape[1]
    y = sum(weight[:, j] * joined[j : j + len(x)] for j in range(kernel))
    return y, x[len(x) - kernel + 1:] if len(x) >= kernel - 1 else joined[len(x):]

# %% wrong: no empty pieces
# says: a piece without frames is no mistake
def fresh_past(weight):
    return torch.zeros(weight.shape[1] - 1, weight.shape[0])
def causal(x, weight, past):
    joined = torch.cat([past, x])
    return (joined.unfold(0, weight.shape[1], 1) * weight).sum(-1), joined[len(x):]

# %% wrong: channels added up
# says: each channel has a filter of its own
def fresh_past(weight):
    return torch.zeros(weight.shape[1] - 1, weight.shape[0])
def causal(x, weight, past):
    joined = torch.cat([past, x])
    y = sum(weight[:, j] * joined[j : j + len(x)] for j in range(weight.shape[1]))
    return y.sum(1, keepdim=True).expand(len(x), weight.shape[0]), joined[len(x):]

# %% wrong: no gradient
# says: left the graph
def fresh_past(weight):
    return torch.zeros(weight.shape[1] - 1, weight.shape[0])
def causal(x, weight, past):
    joined = torch.cat([past, x]).detach()
    return sum(weight[:, j].detach() * joined[j : j + len(x)] for j in range(weight.shape[1])), joined[len(x):]

# %% wrong: one result
# says: return the output and the next past
def fresh_past(weight):
    return torch.zeros(weight.shape[1] - 1, weight.shape[0])
def causal(x, weight, past):
    joined = torch.cat([past, x])
    return sum(weight[:, j] * joined[j : j + len(x)] for j in range(weight.shape[1]))

# %% wrong: filled up with zeros
# says: the rest must come from the old past
def fresh_past(weight):
    return torch.zeros(weight.shape[1] - 1, weight.shape[0])
def causal(x, weight, past):
    joined = torch.cat([past, x])
    y = sum(weight[:, j] * joined[j : j + len(x)] for j in range(weight.shape[1]))
    return y, torch.cat([torch.zeros_like(past), x])[len(x):]

# %% right: conv1d
def fresh_past(weight):
    return weight.new_zeros(weight.shape[1] - 1, weight.shape[0])
def causal(x, weight, past):
    joined = torch.cat([past, x], dim=0)
    if len(x) == 0:
        return x, past.clone()
    y = torch.nn.functional.conv1d(joined.T[None], weight[:, None], groups=weight.shape[0])[0].T
    return y, joined[joined.shape[0] - past.shape[0]:]

# %% right: frame by frame
def fresh_past(weight):
    channels, kernel = weight.shape
    return torch.zeros((kernel - 1, channels), dtype=weight.dtype)
def causal(x, weight, past):
    window, rows = list(past), []
    for frame in x:
        window.append(frame)
        rows.append(sum(weight[:, j] * f for j, f in enumerate(window)))
        window = window[1:]
    shape = (len(x), weight.shape[0])
    y = torch.stack(rows) if rows else torch.zeros(shape)
    kept = torch.stack([f.clone() for f in window]) if window else past
    return y, kept

# %% right: unfold
def fresh_past(weight):
    return torch.zeros_like(weight[:, 1:].T)
def causal(x, weight, past):
    joined = torch.vstack([past, x])
    if x.shape[0] == 0:
        return torch.zeros_like(x), past
    y = torch.einsum("tck,ck->tc", joined.unfold(0, weight.shape[1], 1), weight)
    return y, joined[x.shape[0]:]
