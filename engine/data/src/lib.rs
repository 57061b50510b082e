//! Training data: lists of cases, the cache of preprocessed samples, crops and their augmentation, loading threads.
