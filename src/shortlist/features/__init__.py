"""Features: declared once in the project file, computed by SQL for training and by counters for serving.

| module | contents |
| --- | --- |
| `spec`, `validate` | feature declarations, and their validation against the data's columns |
| `aggregates`, `keys`, `formulas` | the integers that features are made of, what they are counted by, and the formulas |
| `offline`, `offline_similarity` | these integers as of moments of the past, by SQL over the log |
| `online`, `window_counter`, `hash_table`, `counter_files` | the same integers as of now, by counters, and their files |
| `item_features`, `similarity`, `encoders`, `texts` | columns and vectors of items |
| `feature_set`, `matrix`, `sources`, `rows` | the feature matrix |
"""
