"""What is changed in a script: one rule a file, each with a function `plan(script)`."""
