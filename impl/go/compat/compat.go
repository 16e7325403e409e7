// Package compat has the names of the original package, for programs that were written for it.
//
// Deprecated: use [kcom5.Server] and [kcom5.Client], which do the same and more.
package compat

import (
	"context"
	"math"
	"time"

	"kcom5"
)

// Server has the original's fields.
//
// Deprecated: use [kcom5.Server].
type Server struct {
	Ipv6  bool   // ::1, or 127.0.0.1
	Port  int    // 1 to 65535; 0 lets the kernel choose
	Close int    // T in seconds; zero or negative: no limit
	Msg   string // the message to send
}

// Client has the original's fields.
//
// Deprecated: use [kcom5.Client].
type Client struct {
	Ipv6  bool   // ::1, or 127.0.0.1
	Port  int    // 1 to 65535
	Close int    // T in seconds; zero or negative: no limit
	Msg   string // the message received; it changes on success only
}

// Initsvr returns a server with IPv6, port 13600 and 150 s.
//
// Deprecated: the zero [kcom5.Server] has these defaults.
func Initsvr() *Server { return &Server{Ipv6: true, Port: kcom5.DefaultPort, Close: 150} }

// Initcli returns a client with IPv6, port 13600 and 150 s.
//
// Deprecated: the zero [kcom5.Client] has these defaults.
func Initcli() *Client { return &Client{Ipv6: true, Port: kcom5.DefaultPort, Close: 150} }

// Send sends Msg and the data, as [kcom5.Server.Send] does.
func (s *Server) Send(data []byte) error {
	server := kcom5.Server{IPv4: !s.Ipv6, Port: Port(s.Port), Timeout: Timeout(s.Close), Message: s.Msg}
	_, err := server.Send(context.Background(), data)
	return err
}

// Recieve returns the data and sets Msg, as [kcom5.Client.Receive] does. The original spells it so.
func (c *Client) Recieve() ([]byte, error) {
	client := kcom5.Client{IPv4: !c.Ipv6, Port: Port(c.Port), Timeout: Timeout(c.Close)}
	data, err := client.Receive(context.Background())
	if err == nil {
		c.Msg = client.Message
	}
	return data, err
}

// Pack returns the address of a port and a key, as [kcom5.Pack] does.
func Pack(port int, key []byte) (string, error) { return kcom5.Pack(port, key) }

// Unpack returns the port and the key of an address, as [kcom5.Unpack] does.
func Unpack(address string) (port int, key []byte, err error) { return kcom5.Unpack(address) }

// Timeout returns the timeout that stands for the protocol's T in seconds: [kcom5.Forever] if T is zero or negative, and
// if a time.Duration cannot hold it.
func Timeout(t int) time.Duration {
	if t <= 0 || int64(t) > math.MaxInt64/int64(time.Second) {
		return kcom5.Forever
	}
	return time.Duration(t) * time.Second
}

// Port returns the value of a Port field that stands for the protocol's port: [kcom5.AnyPort] for 0. No other number is
// AnyPort, so each of them is as wrong as its neighbours (`listen.port`).
func Port(port int) int {
	switch port {
	case 0:
		return kcom5.AnyPort
	case kcom5.AnyPort:
		return port + 1
	}
	return port
}
