// Our Go library (way `ours`) and a loop without a protocol into memory of the right size (way `raw`), between two
// processes and in one. What the arguments mean, and what is printed: ../ends/common.hpp.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"kcom5"
)

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(4)
	}
}

func number(text string) int {
	value, err := strconv.Atoi(text)
	must(err)
	return value
}

func cpu() float64 {
	var usage syscall.Rusage
	must(syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano()).Seconds()
}

func show(value interface{}) { must(json.NewEncoder(os.Stdout).Encode(value)) }

func sample(size int) []byte {
	data := make([]byte, size)
	for i := range data {
		data[i] = byte(i)
	}
	return data
}

func checkSample(data []byte, size int) {
	right := len(data) == size
	for i := 0; right && i < size; i += 4093 {
		right = data[i] == byte(i)
	}
	if !right {
		must(fmt.Errorf("something else arrived"))
	}
}

// place is where a way listens or connects.
type place struct {
	via  string
	port int
}

func (p place) address() (network, address string) {
	switch p.via {
	case "ipv6":
		return "tcp6", net.JoinHostPort("::1", strconv.Itoa(p.port))
	case "ipv4":
		return "tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(p.port))
	}
	return "unix", p.via
}

func (p place) path() string {
	if strings.HasPrefix(p.via, "/") {
		return p.via
	}
	return ""
}

// What a raw loop asks of its socket, as ours does: no congestion control that paces.
func unpaced(_, _ string, conn syscall.RawConn) error {
	return conn.Control(func(socket uintptr) {
		const tcpCongestion = 13 // Linux
		if syscall.SetsockoptString(int(socket), syscall.IPPROTO_TCP, tcpCongestion, "cubic") != nil {
			syscall.SetsockoptString(int(socket), syscall.IPPROTO_TCP, tcpCongestion, "reno")
		}
	})
}

type way interface {
	// open listens and returns the port.
	open(at place) int
	send(data []byte)
	sendFile(name string)
	receive(at place, size int) []byte
	receiveFile(at place, name string)
}

type ours struct{ server *kcom5.Server }

func (o *ours) open(at place) int {
	o.server = &kcom5.Server{IPv4: at.via != "ipv6", Path: at.path(), Port: kcom5.AnyPort}
	port, err := o.server.Open(context.Background())
	must(err)
	return port
}

func (o *ours) send(data []byte) {
	_, err := o.server.Send(context.Background(), data)
	must(err)
}

func (o *ours) sendFile(name string) {
	_, err := o.server.SendFile(context.Background(), name)
	must(err)
}

func client(at place) *kcom5.Client {
	return &kcom5.Client{IPv4: at.via != "ipv6", Path: at.path(), Port: at.port}
}

func (o *ours) receive(at place, _ int) []byte {
	data, err := client(at).Receive(context.Background())
	must(err)
	return data
}

func (o *ours) receiveFile(at place, name string) {
	must(client(at).ReceiveFile(context.Background(), name))
}

type raw struct{ listener net.Listener }

func (r *raw) open(at place) int {
	network, address := at.address()
	var err error
	r.listener, err = (&net.ListenConfig{Control: unpaced}).Listen(context.Background(), network, address)
	must(err)
	if tcp, ok := r.listener.Addr().(*net.TCPAddr); ok {
		return tcp.Port
	}
	return 0
}

func (r *raw) serve(write func(net.Conn) error) {
	conn, err := r.listener.Accept()
	must(err)
	r.listener.Close()
	must(write(conn))
	must(conn.(interface{ CloseWrite() error }).CloseWrite())
	io.Copy(io.Discard, conn) // the client's close
	conn.Close()
}

func (r *raw) send(data []byte) {
	r.serve(func(conn net.Conn) error { _, err := conn.Write(data); return err })
}

func (r *raw) sendFile(name string) {
	r.serve(func(conn net.Conn) error {
		file, err := os.Open(name)
		must(err)
		defer file.Close()
		_, err = io.Copy(conn, file)
		return err
	})
}

func connect(at place) net.Conn {
	network, address := at.address()
	conn, err := (&net.Dialer{Control: unpaced}).Dial(network, address)
	must(err)
	return conn
}

func (r *raw) receive(at place, size int) []byte {
	conn := connect(at)
	defer conn.Close()
	data := make([]byte, size)
	_, err := io.ReadFull(conn, data)
	must(err)
	return data
}

func (r *raw) receiveFile(at place, name string) {
	conn := connect(at)
	defer conn.Close()
	file, err := os.Create(name)
	must(err)
	_, err = io.Copy(file, conn)
	must(err)
	must(file.Close())
}

func main() {
	if len(os.Args) < 3 {
		os.Exit(2)
	}
	var way way = &ours{}
	if os.Args[1] == "raw" {
		way = &raw{}
	}
	words := os.Args[3:]
	switch os.Args[2] {
	case "idle":
	case "send": // KIND VIA SIZE FILE
		var data []byte
		isFile := words[0] == "file"
		if !isFile {
			data = sample(number(words[2]))
		}
		fmt.Println(way.open(place{words[1], 0}))
		before := cpu()
		if isFile {
			way.sendFile(words[3])
		} else {
			way.send(data)
		}
		show(map[string]float64{"cpu": cpu() - before})
	case "receive": // KIND VIA PORT SIZE FILE
		at, size := place{words[1], number(words[2])}, number(words[3])
		var data []byte
		before, start := cpu(), time.Now()
		if words[0] == "file" {
			way.receiveFile(at, words[4])
		} else {
			data = way.receive(at, size)
		}
		show(map[string]float64{"seconds": time.Since(start).Seconds(), "cpu": cpu() - before})
		if words[0] != "file" {
			checkSample(data, size)
		}
	case "small": // VIA COUNT
		data := sample(64)
		ports := make(chan int)
		taken := make(chan bool)
		go func() {
			for port := range ports {
				checkSample(way.receive(place{words[0], port}, len(data)), len(data))
			}
			close(taken)
		}()
		took := []float64{}
		for i := number(words[1]); i > 0; i-- {
			start := time.Now()
			ports <- way.open(place{words[0], 0})
			way.send(data)
			took = append(took, float64(time.Since(start).Nanoseconds())/1000)
		}
		close(ports)
		<-taken
		show(map[string][]float64{"microseconds": took})
	default:
		os.Exit(2)
	}
}
