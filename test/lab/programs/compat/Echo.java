// Java, twice: blocking sockets with a writer thread, and NIO channels under a selector.
import java.io.*;
import java.net.*;
import java.nio.ByteBuffer;
import java.nio.channels.*;
import java.util.*;

public class Echo {
    static byte[] data(int size) {
        byte[] data = new byte[size];
        for (int i = 0; i < size; i++) data[i] = (byte) (i * 31 + (i >> 8));
        return data;
    }

    static void serveBlocking(int port) throws IOException {
        ServerSocket listener = new ServerSocket(port, 512);
        System.out.println("{\"ready\":true}");
        while (true) {
            Socket socket = listener.accept();
            Thread thread = new Thread(() -> {
                try (socket) {
                    socket.getInputStream().transferTo(socket.getOutputStream());
                    socket.shutdownOutput();
                } catch (IOException e) {
                    System.err.println("server: " + e);
                }
            });
            thread.setDaemon(true);
            thread.start();
        }
    }

    static void serveNio(int port) throws IOException {
        Selector selector = Selector.open();
        ServerSocketChannel listener = ServerSocketChannel.open();
        listener.bind(new InetSocketAddress(port), 512);
        listener.configureBlocking(false);
        listener.register(selector, SelectionKey.OP_ACCEPT);
        System.out.println("{\"ready\":true}");
        while (true) {
            selector.select();
            for (SelectionKey key : selector.selectedKeys()) {
                if (key.isAcceptable()) {
                    SocketChannel channel = listener.accept();
                    if (channel == null) continue;
                    channel.configureBlocking(false);
                    channel.register(selector, SelectionKey.OP_READ, ByteBuffer.allocate(65536));
                } else {
                    echoReady(key);
                }
            }
            selector.selectedKeys().clear();
        }
    }

    static void echoReady(SelectionKey key) throws IOException {
        SocketChannel channel = (SocketChannel) key.channel();
        ByteBuffer buffer = (ByteBuffer) key.attachment();
        try {
            int n = buffer.hasRemaining() ? channel.read(buffer) : 0;
            buffer.flip();
            channel.write(buffer);
            buffer.compact();
            boolean pending = buffer.position() > 0;
            if (n < 0 && !pending) channel.close();
            else key.interestOps(pending ? SelectionKey.OP_WRITE : SelectionKey.OP_READ);
        } catch (IOException e) {
            System.err.println("server: " + e);
            channel.close();
        }
    }

    static String oneBlocking(String address, int port, byte[] data) throws Exception {
        try (Socket socket = new Socket(address, port)) {
            Thread writer = new Thread(() -> {
                try {
                    socket.getOutputStream().write(data);
                    socket.shutdownOutput();
                } catch (IOException e) {
                    System.err.println("writer: " + e);
                }
            });
            writer.start();
            byte[] got = socket.getInputStream().readAllBytes();
            writer.join();
            return Arrays.equals(got, data) ? null : "sent " + data.length + ", got " + got.length;
        }
    }

    static String oneNio(String address, int port, byte[] data) throws Exception {
        SocketChannel channel = SocketChannel.open();
        channel.configureBlocking(false);
        Selector selector = Selector.open();
        channel.connect(new InetSocketAddress(address, port));
        SelectionKey key = channel.register(selector, SelectionKey.OP_CONNECT);
        ByteBuffer out = ByteBuffer.wrap(data), in = ByteBuffer.allocate(data.length + 1);
        try (channel; selector) {
            while (true) {
                selector.select();
                selector.selectedKeys().clear();
                if (channel.isConnectionPending()) channel.finishConnect();
                if (out.hasRemaining() && channel.write(out) >= 0 && !out.hasRemaining()) channel.shutdownOutput();
                if (channel.read(in) < 0) break;
                key.interestOps(out.hasRemaining() ? SelectionKey.OP_READ | SelectionKey.OP_WRITE : SelectionKey.OP_READ);
            }
        }
        in.flip();
        return in.equals(ByteBuffer.wrap(data)) ? null : "sent " + data.length + ", got " + in.remaining();
    }

    public static void main(String[] a) throws Exception {
        boolean nio = a[0].startsWith("nio-");
        if (a[0].endsWith("serve")) {
            if (nio) serveNio(Integer.parseInt(a[1]));
            else serveBlocking(Integer.parseInt(a[1]));
            return;
        }
        byte[] data = data(Integer.parseInt(a[3]));
        int count = Integer.parseInt(a[4]), ok = 0;
        List<String> errors = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            String error;
            try {
                error = nio ? oneNio(a[1], Integer.parseInt(a[2]), data) : oneBlocking(a[1], Integer.parseInt(a[2]), data);
            } catch (IOException e) {
                error = e.toString();
            }
            if (error == null) ok++;
            else errors.add('"' + error.replace('"', '\'') + '"');
        }
        System.out.println("{\"ok\":" + ok + ",\"failed\":" + (count - ok) + ",\"errors\":[" + String.join(",", errors) + "]}");
    }
}
