"""The pool of `seq.utils.pool` on Dask's distributed scheduler: an executor here, and what its workers do elsewhere."""
