#!/bin/sh
# A test program whose first run in a folder reaches the limit of a wait.
[ -e seen ] && exit 0
touch seen
echo "test a ... FAILED"
echo "---- a stdout ----"
echo "thread 'a' panicked at x.rs:1:1:"
echo "the row did not happen within 240 s"
exit 101
