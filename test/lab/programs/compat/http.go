// Go's net/http, server and client. See README.md for the paths.
package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
)

const atOnce = 4

func pattern(size int) []byte {
	data := make([]byte, size)
	for i := range data {
		at := i & 0xffff
		data[i] = byte(at*31 + at>>8)
	}
	return data
}

func die(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func serve(port string) {
	http.HandleFunc("/bytes/", func(w http.ResponseWriter, r *http.Request) {
		size, err := strconv.Atoi(strings.TrimPrefix(r.URL.Path, "/bytes/"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Length", strconv.Itoa(size))
		w.Write(pattern(size))
	})
	http.HandleFunc("/sum", func(w http.ResponseWriter, r *http.Request) {
		digest := sha256.New()
		if _, err := io.Copy(digest, r.Body); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		io.WriteString(w, hex.EncodeToString(digest.Sum(nil)))
	})
	listener, err := net.Listen("tcp", ":"+port)
	if err != nil {
		die(err)
	}
	fmt.Println(`{"ready":true}`)
	die(http.Serve(listener, nil))
}

// body of an answer whose status is 200.
func body(answer *http.Response, err error) ([]byte, error) {
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	data, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", answer.Status, data)
	}
	return data, err
}

func exchange(url string, data []byte) error {
	got, err := body(http.Get(fmt.Sprintf("%s/bytes/%d", url, len(data))))
	if err != nil {
		return err
	}
	if !bytes.Equal(got, data) {
		return fmt.Errorf("downloaded %d bytes, or others", len(got))
	}
	sum := sha256.Sum256(data)
	said, err := body(http.Post(url+"/sum", "application/octet-stream", bytes.NewReader(data)))
	if err == nil && string(said) != hex.EncodeToString(sum[:]) {
		err = fmt.Errorf("an upload arrived as %s", said)
	}
	return err
}

func run(address, port string, size, count int) {
	url := "http://" + net.JoinHostPort(address, port)
	data := pattern(size)
	outcomes := make(chan error)
	for i := 0; i < atOnce; i++ {
		go func() {
			var err error
			for i := 0; i < count && err == nil; i++ {
				err = exchange(url, data)
			}
			outcomes <- err
		}()
	}
	said := []string{}
	for i := 0; i < atOnce; i++ {
		if err := <-outcomes; err != nil {
			said = append(said, err.Error())
		}
	}
	failed := len(said)
	if failed > count {
		failed = count
	}
	report := map[string]any{"ok": count - failed, "failed": failed, "errors": said}
	json.NewEncoder(os.Stdout).Encode(report)
}

func main() {
	if len(os.Args) == 3 && os.Args[1] == "serve" {
		serve(os.Args[2])
	}
	if len(os.Args) != 6 || os.Args[1] != "run" {
		die(fmt.Errorf("usage: http serve PORT | run ADDRESS PORT BYTES COUNT"))
	}
	size, _ := strconv.Atoi(os.Args[4])
	count, _ := strconv.Atoi(os.Args[5])
	run(os.Args[2], os.Args[3], size, count)
}
