//go:build linux || darwin

package kcom5

// How the implementation and its peer come together in a conversation.

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

func fileExists(path string) bool { _, err := os.Stat(path); return err == nil }

func (c *conversation) dial() (net.Conn, error) {
	if c.via == "unix" {
		if moved := c.path + "-moved"; fileExists(moved) {
			defer os.Remove(moved)
			return net.Dial("unix", moved)
		}
		return net.Dial("unix", c.path)
	}
	conn, err := net.Dial("tcp", c.address(c.ip()))
	if tcp, ok := conn.(*net.TCPConn); ok {
		// A system may let the buffer grow to more than a vector has to send: then a slow reader is no slow client.
		tcp.SetReadBuffer(256 << 10)
	}
	return conn, err
}

// portOf is a Port field for the protocol's port.
func portOf(port int) int {
	if port == 0 {
		return AnyPort
	}
	return port
}

// timeoutOf is a Timeout field for T in seconds.
func timeoutOf(t int) time.Duration {
	if t <= 0 {
		return Forever
	}
	return time.Duration(t) * time.Second
}

// server starts the implementation as the server, and connects if the peer is to be connected at the start.
func (c *conversation) server() (cleanup func(), err error) {
	cleanup = func() {}
	server := &Server{IPv4: c.via != "tcp6", Port: portOf(c.port), Timeout: timeoutOf(c.timeout()), Message: string(c.Give.Message)}
	if c.via == "unix" {
		server.Path = c.path
	}
	if port, isGiven := c.Give.Port.(float64); isGiven {
		server.Port = portOf(int(port))
	}
	switch c.Setup {
	case "taken":
		var listener net.Listener
		if c.via == "unix" {
			listener, err = net.Listen("unix", c.path)
		} else if listener, err = net.Listen("tcp", c.address(c.ip())); err == nil {
			server.Port = listener.Addr().(*net.TCPAddr).Port
		}
		if err != nil {
			return cleanup, err
		}
		cleanup = func() { listener.Close() }
	case "stale":
		listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: c.path, Net: "unix"})
		if err != nil {
			return cleanup, err
		}
		listener.SetUnlinkOnClose(false)
		listener.Close()
	case "file":
		if err := os.WriteFile(c.path, []byte("mine"), 0o600); err != nil {
			return cleanup, err
		}
	}
	c.connected = c.dial
	if c.Setup == "other-user" {
		c.connected = func() (conn net.Conn, err error) {
			os.Chmod(c.path, 0o666) // it got past the file mode
			if failed := asOtherUser(func() { conn, err = c.dial() }); failed != nil {
				return nil, failed
			}
			return conn, err
		}
	}
	dialsAtOnce := len(c.Steps) > 0 && c.Setup != "nobody"
	for _, step := range c.Steps {
		dialsAtOnce = dialsAtOnce && step.Do != "connect"
	}
	c.start = time.Now()
	if c.Give.Port == "default" {
		// The one port that another program may have: in a network of its own, where there can be one.
		server.Port = DefaultPort
		failed := inOwnNetwork("", func() {
			if c.port, err = server.Open(context.Background()); err == nil {
				c.conn, err = c.dial()
			}
		})
		if failed != nil {
			return cleanup, failed
		}
		if c.port != 13600 {
			return cleanup, fmt.Errorf("port %d, %v", c.port, err)
		}
		go func() { c.results <- result{err: errOf(server.Send(context.Background(), c.Give.Data.With(c.nonce)))} }()
		return cleanup, err
	}
	listening := make(chan int, 1)
	server.Listening = func(port int) { listening <- port }
	data := c.Give.Data.With(c.nonce)
	go func() {
		sent, err := server.Send(context.Background(), data)
		c.results <- result{err: err, confirmed: sent.Confirmed}
	}()
	select {
	case c.port = <-listening:
	case result := <-c.results:
		c.ended(result)
		return cleanup, nil
	}
	if dialsAtOnce {
		c.start = time.Now()
		c.conn, err = c.connected()
		if errors.Is(err, errNotRun) {
			go func() { // let it end
				if conn, err := c.dial(); err == nil {
					conn.Close()
				}
			}()
		}
	}
	return cleanup, err
}

// client starts the implementation as the client of a peer that listens.
func (c *conversation) client() (cleanup func(), err error) {
	cleanup = func() {}
	limits := DefaultLimits()
	client := &Client{IPv4: c.via != "tcp6", Timeout: timeoutOf(c.timeout()), Limits: &limits, Message: "before"}
	if c.via == "unix" {
		client.Path = c.path
	}
	set := func(field, value *uint64) {
		if value != nil {
			*field = *value
		}
	}
	set(&limits.Message, c.Give.Limits.Message)
	set(&limits.Data, c.Give.Limits.Data)
	receive := func() {
		data, err := client.Receive(context.Background())
		c.results <- result{err: err, message: client.Message, data: data}
	}
	if c.Setup == "self" {
		client.Port = 40000
		return cleanup, inOwnNetwork("40000 40000", receive)
	}
	var listener net.Listener
	switch {
	case c.Setup == "nobody" || c.Setup == "full":
		fd, port, err := boundOnly(c.via)
		if err != nil {
			return cleanup, err
		}
		c.port = port
		cleanup = func() { syscall.Close(fd) }
		if c.Setup == "full" {
			if err := syscall.Listen(fd, 0); err != nil {
				return cleanup, err
			}
			var waiting []net.Conn
			for {
				conn, err := net.DialTimeout("tcp", c.address(c.ip()), 100*time.Millisecond)
				if err != nil {
					break
				}
				waiting = append(waiting, conn)
			}
			cleanup = func() {
				syscall.Close(fd)
				for _, conn := range waiting {
					conn.Close()
				}
			}
		}
	case c.via == "unix":
		open := func() { listener, err = net.Listen("unix", c.path) }
		if c.Setup == "other-user" {
			os.Chmod(filepath.Dir(c.path), 0o777)
			if failed := asOtherUser(open); failed != nil {
				return cleanup, failed
			}
		} else {
			open()
		}
	case c.Give.Port == "default":
		// In a network of its own, as with the server: both the peer and the client are there.
		client.Port, c.port, c.start = DefaultPort, 13600, time.Now()
		opened := make(chan error, 2)
		go func() {
			opened <- inOwnNetwork("", func() {
				var failed error
				listener, failed = net.Listen("tcp", c.address(c.ip()))
				opened <- failed
				if failed == nil {
					receive()
				}
			})
		}()
		if err := <-opened; err != nil {
			return cleanup, err
		}
		defer listener.Close()
		c.conn, err = listener.Accept()
		return cleanup, err
	default:
		listener, err = net.Listen("tcp", c.address(c.ip()))
		if err == nil {
			c.port = listener.Addr().(*net.TCPAddr).Port
		}
	}
	if err != nil {
		return cleanup, err
	}
	client.Port = c.port
	if port, isGiven := c.Give.Port.(float64); isGiven {
		client.Port = portOf(int(port))
	}
	c.start = time.Now()
	go receive()
	if listener == nil {
		return cleanup, nil
	}
	defer listener.Close()
	if len(c.Steps) > 0 {
		c.conn, err = listener.Accept()
	}
	return cleanup, err
}

// boundOnly is a socket that is bound, and not listening: nobody else takes its port.
func boundOnly(via string) (fd, port int, err error) {
	switch via {
	case "tcp6":
		if fd, err = syscall.Socket(syscall.AF_INET6, syscall.SOCK_STREAM, 0); err != nil {
			return
		}
		err = syscall.Bind(fd, &syscall.SockaddrInet6{Addr: [16]byte{15: 1}})
	case "tcp4":
		if fd, err = syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0); err != nil {
			return
		}
		err = syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}})
	default:
		return -1, 0, nil // there is no file
	}
	if err != nil {
		return
	}
	address, err := syscall.Getsockname(fd)
	switch address := address.(type) {
	case *syscall.SockaddrInet6:
		port = address.Port
	case *syscall.SockaddrInet4:
		port = address.Port
	}
	return fd, port, err
}
