"""who.py with non-blocking sockets: who-async.py NAME PORT."""

import asyncio
import json
import sys


async def serve(reader, writer):
    answer = {
        "name": sys.argv[1],
        "accept": list(writer.get_extra_info("peername")[:2]),
        "peer": list(writer.get_extra_info("peername")[:2]),
        "local": list(writer.get_extra_info("sockname")[:2]),
    }
    while line := await reader.readline():
        answer["said"] = line.decode().strip()
        writer.write((json.dumps(answer) + "\n").encode())
        await writer.drain()
    writer.close()


async def main():
    server = await asyncio.start_server(serve, "0.0.0.0", int(sys.argv[2]))
    print("listening", flush=True)
    await server.serve_forever()


asyncio.run(main())
