"""Seconds of processor time that a process, all below it, and all of them that have ended have taken: cpu.py PID."""
import os
import sys

stats = {}
for name in os.listdir("/proc"):
    if name.isdigit():
        try:
            with open(f"/proc/{name}/stat") as file:
                fields = file.read().rpartition(")")[2].split()
        except OSError:
            continue  # It ended meanwhile.
        # The parent; user and system time, its own and of children that it has waited for.
        stats[int(name)] = (int(fields[1]), sum(map(int, fields[11:15])))
family = {int(sys.argv[1])}
while more := {pid for pid, (parent, _) in stats.items() if parent in family} - family:
    family |= more
ticks = sum(stats[pid][1] for pid in family if pid in stats)
print(f"{ticks / os.sysconf('SC_CLK_TCK'):.2f}")
