# %% given
import numpy as np
from scipy.optimize import nnls

# %% wrong: the mean for all
# says: every network gets the mean latency
def fit_prices(counts, ms):
    return np.append(np.zeros(counts.shape[1]), ms.mean())
def predict_ms(prices, counts):
    return counts @ prices[:-1] + prices[-1]

# %% wrong: plain least squares
# says: counts alike for a network
def fit_prices(counts, ms):
    return nnls(np.hstack([counts, np.ones((len(counts), 1))]), ms)[0]
def predict_ms(prices, counts):
    return counts @ prices[:-1] + prices[-1]

# %% wrong: relative, but prices may be negative
# says: falling below 0
def fit_prices(counts, ms):
    rows = np.hstack([counts, np.ones((len(counts), 1))])
    return np.linalg.lstsq(rows / ms[:, None], np.ones(len(ms)), rcond=None)[0]
def predict_ms(prices, counts):
    return counts @ prices[:-1] + prices[-1]

# %% wrong: negative prices cut off afterwards
# says: fitted anew
def fit_prices(counts, ms):
    rows = np.hstack([counts, np.ones((len(counts), 1))])
    return np.maximum(np.linalg.lstsq(rows / ms[:, None], np.ones(len(ms)), rcond=None)[0], 0)
def predict_ms(prices, counts):
    return counts @ prices[:-1] + prices[-1]

# %% wrong: no fixed part in the fit
# says: also takes time for what is not counted
def fit_prices(counts, ms):
    return np.append(nnls(counts / ms[:, None], np.ones(len(ms)))[0], 0.0)
def predict_ms(prices, counts):
    return counts @ prices[:-1] + prices[-1]

# %% wrong: no fixed part in the list
# says: missing from the list
def fit_prices(counts, ms):
    return nnls(counts / ms[:, None], np.ones(len(ms)))[0]
def predict_ms(prices, counts):
    return counts @ prices

# %% wrong: fixed part first
# says: it belongs last
def fit_prices(counts, ms):
    rows = np.hstack([np.ones((len(counts), 1)), counts])
    return nnls(rows / ms[:, None], np.ones(len(ms)))[0]
def predict_ms(prices, counts):
    return counts @ prices[1:] + prices[0]

# %% wrong: prices in seconds
# says: prices are in seconds
def fit_prices(counts, ms):
    rows = np.hstack([counts, np.ones((len(counts), 1))])
    return nnls(rows / ms[:, None], np.ones(len(ms)))[0] / 1000
def predict_ms(prices, counts):
    return 1000 * (counts @ prices[:-1] + prices[-1])

# %% wrong: prediction without the fixed part
# says: fixed part is forgotten
def fit_prices(counts, ms):
    rows = np.hstack([counts, np.ones((len(counts), 1))])
    return nnls(rows / ms[:, None], np.ones(len(ms)))[0]
def predict_ms(prices, counts):
    return counts @ prices[:-1]

# %% wrong: prediction in seconds
# says: the result is in seconds
def fit_prices(counts, ms):
    rows = np.hstack([counts, np.ones((len(counts), 1))])
    return nnls(rows / ms[:, None], np.ones(len(ms)))[0]
def predict_ms(prices, counts):
    return (counts @ prices[:-1] + prices[-1]) / 1000

# %% wrong: weighted the wrong way
# says: slow networks count most
def fit_prices(counts, ms):
    rows = np.hstack([counts, np.ones((len(counts), 1))])
    return nnls(rows * ms[:, None], ms * ms)[0]
def predict_ms(prices, counts):
    return counts @ prices[:-1] + prices[-1]

# %% wrong: ones not divided
# says: the fixed part's ones must be divided
def fit_prices(counts, ms):
    rows = np.hstack([counts / ms[:, None], np.ones((len(counts), 1))])
    return nnls(rows, np.ones(len(ms)))[0]
def predict_ms(prices, counts):
    return counts @ prices[:-1] + prices[-1]

# %% wrong: divided by the root
# says: slow networks still count more
def fit_prices(counts, ms):
    rows, root = np.hstack([counts, np.ones((len(counts), 1))]), np.sqrt(ms)
    return nnls(rows / root[:, None], root)[0]
def predict_ms(prices, counts):
    return counts @ prices[:-1] + prices[-1]

# %% wrong: all that nnls gives
# says: take the first
def fit_prices(counts, ms):
    rows = np.hstack([counts, np.ones((len(counts), 1))])
    return nnls(rows / ms[:, None], np.ones(len(ms)))
def predict_ms(prices, counts):
    return counts @ prices[:-1] + prices[-1]

# %% wrong: in place
# says: the caller's array is changed
def fit_prices(counts, ms):
    counts /= ms[:, None]
    return nnls(np.hstack([counts, 1 / ms[:, None]]), np.ones(len(ms)))[0]
def predict_ms(prices, counts):
    return counts @ prices[:-1] + prices[-1]

# %% right: one by one
def fit_prices(counts, ms):
    matrix = np.array([[*(c / t for c in row), 1 / t] for row, t in zip(counts, ms)])
    return nnls(matrix, np.ones(len(ms)))[0]
def predict_ms(prices, counts):
    *each, fixed = prices
    return [sum(p * c for p, c in zip(each, row)) + fixed for row in counts]

# %% right: scikit-learn with weights
def fit_prices(counts, ms):
    from sklearn.linear_model import LinearRegression
    rows = np.column_stack([counts, np.ones(len(counts))])
    line = LinearRegression(positive=True, fit_intercept=False)
    return line.fit(rows, ms, sample_weight=ms**-2.0).coef_
def predict_ms(prices, counts):
    return np.column_stack([counts, np.ones(len(counts))]) @ prices

# %% right: bounded least squares
def fit_prices(work, times):
    from scipy.optimize import lsq_linear
    rows = np.c_[work, np.ones(len(work))] / times.reshape(-1, 1)
    return lsq_linear(rows, np.ones_like(times), bounds=(0, np.inf), method="bvls").x
def predict_ms(price_list, work):
    return np.dot(work, price_list[:-1]) + price_list[-1]
