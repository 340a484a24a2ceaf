"""redis-cli in a pipeline of checksummed values, and redis-benchmark."""
import hashlib
import sys
import zlib

from pattern import ended_well, pattern, report

KEYS = 500


def command(*words):
    """A command as Redis takes it off the wire."""
    parts = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(p), p) for p in parts)


def value(size, index):
    """Hexadecimal, so that redis-cli prints it as it is, and its own checksum at the end."""
    text = pattern(1 + index * 7919 % size).hex()
    return f"{index}:{text}:{zlib.crc32(text.encode()):08x}"


def run(address, port, size, count):
    cli = ["redis-cli", "-h", address, "-p", str(port)]
    # So that all keys together have that many bytes.
    values = [value(max(size // KEYS, 1), index) for index in range(KEYS)]
    values.append(value(size, 7))
    digest = hashlib.sha256("".join(f"{one}\n" for one in values).encode()).hexdigest()
    asked = "".join(f"GET key:{index}\n" for index in range(len(values))).encode()

    def check(_):
        written = b"".join(command("SET", f"key:{i}", one) for i, one in enumerate(values))
        said = ended_well([*cli, "--pipe"], input=written).decode()
        if f"errors: 0, replies: {len(values)}" not in said:
            return f"redis-cli --pipe said {said}"
        got = ended_well([*cli, "--raw"], input=asked)
        if hashlib.sha256(got).hexdigest() != digest:
            return f"values came back as {len(got)} other bytes"
        load = ["-n", "4000", "-c", "20", "-P", "16", "-d", "1024", "-t", "set,get", "--csv"]
        lines = ended_well(["redis-benchmark", *cli[1:], *load]).decode()
        return None if '"SET"' in lines and '"GET"' in lines else f"redis-benchmark said {lines}"

    report(count, check)


run(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5]))
