// Go's net package: io.Copy between TCP connections uses splice(2); listeners speak MPTCP by default.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
)

type result struct {
	OK     int      `json:"ok"`
	Failed int      `json:"failed"`
	Errors []string `json:"errors"`
}

func die(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func listen(port string, serve func(*net.TCPConn)) {
	listener, err := net.Listen("tcp", ":"+port)
	if err != nil {
		die(err)
	}
	fmt.Println(`{"ready":true}`)
	for {
		conn, err := listener.Accept()
		if err != nil {
			die(err)
		}
		go serve(conn.(*net.TCPConn))
	}
}

func echo(conn *net.TCPConn) {
	defer conn.Close()
	if _, err := io.Copy(conn, conn); err != nil {
		fmt.Fprintln(os.Stderr, "server:", err)
	}
	conn.CloseWrite()
}

// relay forwards to target both ways, with half-close.
func relay(target string) func(*net.TCPConn) {
	return func(client *net.TCPConn) {
		defer client.Close()
		conn, err := net.Dial("tcp", target)
		if err != nil {
			fmt.Fprintln(os.Stderr, "relay:", err)
			return
		}
		server := conn.(*net.TCPConn)
		defer server.Close()
		done := make(chan struct{})
		go func() {
			io.Copy(server, client)
			server.CloseWrite()
			close(done)
		}()
		io.Copy(client, server)
		client.CloseWrite()
		<-done
	}
}

func one(target string, data []byte) error {
	conn, err := net.Dial("tcp", target)
	if err != nil {
		return err
	}
	defer conn.Close()
	go func() {
		conn.Write(data)
		conn.(*net.TCPConn).CloseWrite()
	}()
	got, err := io.ReadAll(conn)
	if err != nil {
		return err
	}
	if !bytes.Equal(got, data) {
		return fmt.Errorf("sent %d bytes, got %d, or others", len(data), len(got))
	}
	return nil
}

func run(target string, size, count int) {
	data := make([]byte, size)
	for i := range data {
		data[i] = byte(i*31 + i>>8)
	}
	r := result{Errors: []string{}}
	for range count {
		if err := one(target, data); err != nil {
			r.Failed++
			r.Errors = append(r.Errors, err.Error())
		} else {
			r.OK++
		}
	}
	json.NewEncoder(os.Stdout).Encode(r)
}

func number(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		die(err)
	}
	return n
}

func main() {
	a := os.Args[1:]
	switch {
	case len(a) == 2 && a[0] == "serve":
		listen(a[1], echo)
	case len(a) == 4 && a[0] == "relay":
		listen(a[1], relay(net.JoinHostPort(a[2], a[3])))
	case len(a) == 5 && a[0] == "run":
		run(net.JoinHostPort(a[1], a[2]), number(a[3]), number(a[4]))
	default:
		die(fmt.Errorf("usage: serve PORT | relay PORT ADDRESS PORT | run ADDRESS PORT BYTES COUNT"))
	}
}
