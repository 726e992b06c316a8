"""Loads batches while the model trains.

batch_provider     the interface to threads (worker_threads) or processes (worker_processes)
loky_pool          the processes (shared_memory: where they write batches)
batch_prefetch     loads the next batches (slow_requests: a warning for random access)
run_prefetch       loads the next runs: batches that are read together, as they share files
prefetcher         threads, processes, files and memory of one sequence
open_prefetches    all prefetches of this process
"""
