"""The bytes that all programs here send, and how those that run a real client report."""
import json
import subprocess


BLOCK = bytes((i * 31 + (i >> 8)) & 255 for i in range(65536))


def pattern(size):
    return (BLOCK * (size // len(BLOCK) + 1))[:size]


def ended_well(argv, **options):
    """Output of a real client; raises with what it said when its status is not 0."""
    done = subprocess.run(argv, capture_output=True, timeout=60, **options)
    if done.returncode:
        said = (done.stderr or done.stdout)[-300:].decode(errors="replace")
        raise ValueError(f"{argv[0]} ended with {done.returncode}: {said}")
    return done.stdout


def report(count, check):
    """Calls check(index) so many times; each returns None or what was wrong."""
    errors = []
    for index in range(count):
        try:
            wrong = check(index)
        except (OSError, ValueError, subprocess.TimeoutExpired) as error:
            wrong = str(error)
        if wrong:
            errors.append(wrong)
    print(json.dumps({"ok": count - len(errors), "failed": len(errors), "errors": errors[:5]}))
