"""The tables, one file each (`report.exhibits` says what such a file holds).

`quality`, `similarity`, `fairness` and other metrics are tidy: dataset, run, reference, metric, encoder, protocol,
value, ci_low, ci_high, sd, n, seed, one row per (run, reference, metric, encoder); `reference` is empty where there is
none. The rows of a table are the runs, or tokenizers, in `labels` (name -> display name), in its order. A number that
is missing raises UserError.
"""
