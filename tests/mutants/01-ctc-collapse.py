# %% given
from itertools import groupby

def collapse(labels, blank=0):
    return [label for label, _ in groupby(labels) if label != blank]

def needed_frames(labels):
    return len(labels) + sum(a == b for a, b in zip(labels, labels[1:]))

# %% wrong: blanks first
# says: blanks are taken out first
def collapse(labels, blank=0):
    return [label for label, _ in groupby(l for l in labels if l != blank)]

# %% wrong: no merging
# says: repeats are not merged
def collapse(labels, blank=0):
    return [label for label in labels if label != blank]

# %% wrong: blanks stay
# says: blanks stay in
def collapse(labels, blank=0):
    return [label for label, _ in groupby(labels)]

# %% wrong: each label once
# says: kept once
def collapse(labels, blank=0):
    return [label for label in dict.fromkeys(labels) if label != blank]

# %% wrong: a set
# says: labels are sorted
def collapse(labels, blank=0):
    return sorted(set(labels) - {blank})

# %% wrong: blank is always 0
# says: taken to be 0
def collapse(labels, blank=0):
    return [label for label, _ in groupby(labels) if label != 0]

# %% wrong: falsy labels
# says: taken to be 0
def collapse(labels, blank=0):
    return [label for label, _ in groupby(labels) if label]

# %% wrong: the last run is forgotten
# says: last run of labels is forgotten
def collapse(labels, blank=0):
    text, run = [], []
    for label in labels:
        if run and label != run[-1]:
            if run[-1] != blank:
                text.append(run[-1])
            run = []
        run.append(label)
    return text

# %% wrong: the first frame is forgotten
# says: first run of labels is forgotten
def collapse(labels, blank=0):
    return [b for a, b in zip(labels, labels[1:]) if a != b and b != blank]

# %% wrong: compared with the text
# says: blanks are taken out first
def collapse(labels, blank=0):
    text = []
    for label in labels:
        if label != blank and (not text or label != text[-1]):
            text.append(label)
    return text

# %% wrong: only the first label
# says: expected 2
def collapse(labels, blank=0):
    merged = [now for before, now in zip([None, *labels], labels) if now != before and now != blank]
    return merged[:1]

# %% wrong: only pairs are merged
# says: only pairs are merged
def collapse(labels, blank=0):
    text, i = [], 0
    while i < len(labels):
        if labels[i] != blank:
            text.append(labels[i])
        i += 2 if i + 1 < len(labels) and labels[i + 1] == labels[i] else 1
    return text

# %% wrong: pops from the caller's list
# says: change the caller's list
def collapse(labels, blank=0):
    text, last = [], None
    while labels:
        label = labels.pop(0)
        if label != last and label != blank:
            text.append(label)
        last = label
    return text

# %% wrong: fails on silence
# says: IndexError
def collapse(labels, blank=0):
    text = [labels[0]] if labels[0] != blank else []
    return text + [b for a, b in zip(labels, labels[1:]) if a != b and b != blank]

# %% wrong: a frame for each label
# says: equal neighbours need a blank between them
def needed_frames(labels):
    return len(labels)

# %% wrong: a blank between all
# says: not every two
def needed_frames(labels):
    return max(0, 2 * len(labels) - 1)

# %% wrong: blanks around all
# says: blanks at both ends
def needed_frames(labels):
    return 2 * len(labels) + 1

# %% wrong: labels that come again
# says: comes again later
def needed_frames(labels):
    return len(labels) + len(labels) - len(set(labels))

# %% wrong: equal neighbours saved
# says: one frame more, not one less
def needed_frames(labels):
    return len(labels) - sum(a == b for a, b in zip(labels, labels[1:]))

# %% wrong: one blank for each run
# says: in a run of three there are two pairs
def needed_frames(labels):
    return len(labels) + sum(len(list(run)) > 1 for _, run in groupby(labels))

# %% wrong: a blank for each label of a run
# says: one less than the run
def needed_frames(labels):
    runs = [len(list(run)) for _, run in groupby(labels)]
    return len(labels) + sum(n for n in runs if n > 1)

# %% right: loop
def collapse(labels, blank=0):
    text, last = [], None
    for label in labels:
        if label != last and label != blank:
            text.append(label)
        last = label
    return text

def needed_frames(labels):
    count = 0
    for i in range(len(labels)):
        count += 1 + (i > 0 and labels[i] == labels[i - 1])
    return count

# %% right: numpy
import numpy as np

def collapse(frames, blank=0):
    x = np.asarray(frames, dtype=np.int64)
    keep = np.append(True, x[1:] != x[:-1])[: len(x)]
    return x[keep & (x != blank)]

def needed_frames(text):
    x = np.asarray(text)
    return len(x) + np.count_nonzero(x[1:] == x[:-1])

# %% right: torch
import torch

def collapse(labels, blank=0):
    merged = torch.unique_consecutive(torch.tensor(labels, dtype=torch.long))
    return merged[merged != blank]

def needed_frames(labels):
    runs = [len(list(run)) for _, run in groupby(labels)]
    return sum(2 * n - 1 for n in runs)

# %% right: a tuple, runs as text
def collapse(labels, blank=0):
    return tuple(key for key, _ in groupby(labels) if key != blank)
