"""asyncio streams: non-blocking sockets under epoll."""
import asyncio
import json
import sys


async def serve(port):
    async def echo(reader, writer):
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
            writer.write_eof()
        except OSError as error:
            print("server:", repr(error), file=sys.stderr, flush=True)
        writer.close()

    server = await asyncio.start_server(echo, None, port, backlog=512)
    print(json.dumps({"ready": True}), flush=True)
    await server.serve_forever()


async def one(address, port, data):
    reader, writer = await asyncio.open_connection(address, port)

    async def write():
        for start in range(0, len(data), 50000):
            writer.write(data[start : start + 50000])
            await writer.drain()
        writer.write_eof()

    _, got = await asyncio.gather(write(), reader.read(-1))
    writer.close()
    return None if got == data else f"sent {len(data)} bytes, got {len(got)}, or others"


async def run(address, port, size, count):
    data = bytes((i * 31 + (i >> 8)) & 255 for i in range(65536 + 251))
    data = (data * (size // len(data) + 1))[:size]
    results = []
    for _ in range(count):
        try:
            results.append(await one(address, port, data))
        except OSError as error:
            results.append(repr(error))
    errors = [r for r in results if r]
    print(json.dumps({"ok": count - len(errors), "failed": len(errors), "errors": errors[:5]}))


if sys.argv[1] == "serve":
    asyncio.run(serve(int(sys.argv[2])))
else:
    asyncio.run(run(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5])))
