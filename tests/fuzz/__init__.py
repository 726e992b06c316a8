"""A fuzzer for pickles and indexes: `python -m tests.fuzz.run --seconds 60`.

| file | idea |
| --- | --- |
| `corpus` | valid pickles of many kinds, split at their opcodes |
| `mutate` | damages them |
| `grammar` | generates nearly valid pickles |
| `indexes` | generates hostile `index.json` files and checks how they are loaded |
| `check` | checks how one pickle is read |
| `oracle` | compares an accepted pickle with what `pickle.load` returns |
| `run` | runs all of it, in a child process with a limit on its memory |
"""
