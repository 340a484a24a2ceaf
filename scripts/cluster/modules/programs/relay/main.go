// Makes one TCP port of a network namespace reachable from the namespace it is started in:
//
//	relay LISTEN NETNS TARGET      (127.0.0.1:6443 /proc/1/ns/net 172.18.0.1:6443)
//
// So that the machine's own namespace gets no link and no route to the cluster.
package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"syscall"
)

func main() {
	if len(os.Args) != 4 {
		fail(fmt.Errorf("usage: relay LISTEN NETNS TARGET"))
	}
	netns, err := os.Open(os.Args[2])
	if err != nil {
		fail(err)
	}
	listener, err := net.Listen("tcp", os.Args[1])
	if err != nil {
		fail(err)
	}
	for {
		client, err := listener.Accept()
		if err != nil {
			fail(err)
		}
		go serve(client.(*net.TCPConn), int(netns.Fd()), os.Args[3])
	}
}

func serve(client *net.TCPConn, netns int, target string) {
	defer client.Close()
	server, err := dialIn(netns, target)
	if err != nil {
		fmt.Fprintln(os.Stderr, "relay:", err)
		return
	}
	defer server.Close()
	done := make(chan struct{})
	go func() {
		forward(server, client)
		close(done)
	}()
	forward(client, server)
	<-done
}

func forward(to, from *net.TCPConn) {
	io.Copy(to, from)
	to.CloseWrite()
}

// A socket belongs to the namespace of the thread that makes it. The thread stays locked: it ends
// with its goroutine and never runs another one.
func dialIn(netns int, target string) (*net.TCPConn, error) {
	type result struct {
		conn net.Conn
		err  error
	}
	dialled := make(chan result, 1)
	go func() {
		runtime.LockOSThread()
		const cloneNewNet = 0x40000000
		if _, _, errno := syscall.RawSyscall(sysSetns, uintptr(netns), cloneNewNet, 0); errno != 0 {
			dialled <- result{nil, fmt.Errorf("setns: %w", errno)}
			return
		}
		conn, err := net.Dial("tcp", target)
		dialled <- result{conn, err}
	}()
	got := <-dialled
	if got.err != nil {
		return nil, got.err
	}
	return got.conn.(*net.TCPConn), nil
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "relay:", err)
	os.Exit(1)
}
