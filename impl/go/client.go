package kcom5

// The client: connects, and receives one message and one block of data, whole or not at all. Not here: the connection
// (receiving), bytes and states (core), and where the data goes (sink). Spec: "Listening and connecting", "Files".

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"time"

	"kcom5/core"
)

// Client receives from a server that listens. The zero value is ready to use: it connects to port 13600 of ::1, bounds
// each wait by 150 s and has DefaultLimits. Only one call of a Client may run at a time.
type Client struct {
	Port    int           // 1 to 65535; zero is DefaultPort
	IPv4    bool          // 127.0.0.1 instead of ::1 (`listen.default`)
	Path    string        // if not empty: of a Unix-domain socket, in place of Port and IPv4
	Timeout time.Duration // limit of each wait; zero is DefaultTimeout; Forever, or any negative value, is no limit
	Limits  *Limits       // the most bytes that are taken (`limit.over`); nil is DefaultLimits
	Message string        // the message received; it changes on success only (`result.message`)

	// Wait is how long the client keeps dialing while nobody listens. Files are opened once, before that.
	Wait time.Duration
	// MessageFile, if not empty, is a file in which the message is stored as well, as ReceiveFile stores data. The
	// server learns of success only afterwards.
	MessageFile string
	// NoClobber fails the call with [ErrIO] if the file for data or message is an existing regular file. The client
	// checks it before it connects, and when the new file gets its name.
	NoClobber bool

	// Progress, if not nil, is called each time that data has arrived, with the bytes so far and the total. It runs in
	// the goroutine of the call. If it panics, so does the call: the server sees a reset, and no file is left.
	Progress func(done, total uint64)
}

// Receive returns the data when all of it has arrived (`result.sync`). Errors: [ErrInvalidPort], [ErrRefused],
// [ErrTimeout], [ErrIO], [ErrInvalidConnection], [ErrTruncated], [ErrMalformedMessage], [ErrOverLimit].
func (c *Client) Receive(ctx context.Context) ([]byte, error) {
	memory := &memorySink{data: []byte{}}
	if err := c.receive(ctx, func() (sink, error) { return memory, nil }); err != nil {
		return nil, err
	}
	return memory.data, nil
}

// ReceiveFile stores the data in a file, complete or not at all, with constant memory. The server learns of success
// only afterwards. The file is opened before the client connects: if that fails with [ErrIO], the server still waits
// for a client. A new file has mode 0600. A symbolic link is followed, unless it is another user's in a shared folder.
// Anything but a regular file is written in place; a pipe that no process reads, or that takes nothing for Timeout, is
// [ErrTimeout].
func (c *Client) ReceiveFile(ctx context.Context, name string) error {
	return c.receive(ctx, func() (sink, error) { return openFileSink(ctx, name, c.fileOptions()) })
}

// ReceiveTo writes the data to a writer as it arrives, with constant memory; after an error some of it may be there.
// An *os.File that takes nothing for Timeout is [ErrTimeout]; how long any other writer takes is not limited.
func (c *Client) ReceiveTo(ctx context.Context, writer io.Writer) error {
	return c.receive(ctx, func() (sink, error) { return sinkOf(ctx, writer, c.fileOptions()) })
}

func (c *Client) check() error {
	if c.Path != "" {
		return nil
	}
	return core.CheckPort(c.port(), 1)
}

func (c *Client) port() int {
	if c.Port == 0 {
		return DefaultPort
	}
	return c.Port
}

func (c *Client) place() string {
	if c.Path != "" {
		return c.Path
	}
	return endpoint{!c.IPv4, c.port()}.address()
}

func (c *Client) receive(ctx context.Context, open func() (sink, error)) error {
	if err := c.check(); err != nil {
		return err
	}
	to, err := c.openOutputs(ctx, open)
	defer to.discard()
	if err != nil {
		return err
	}
	var nonce [3]byte
	if _, err := rand.Read(nonce[:]); err != nil {
		return ioError(c.place(), err)
	}
	limits := DefaultLimits()
	if c.Limits != nil {
		limits = *c.Limits
	}
	exchange := core.NewClientExchange(nonce, limits)
	exchange.Describe(c.place(), inSeconds(bound(c.Timeout)))
	conn, err := c.connect(ctx)
	if err != nil {
		return failure(exchange, c.place(), err)
	}
	receiving := &receiving{stream: newStream(ctx, conn), exchange: exchange, timeout: bound(c.Timeout), place: c.place()}
	defer receiving.abort()
	if err := checkPeer(conn); err != nil {
		if err == errOtherUser {
			exchange.RefusePeer()
			return outcome(exchange)
		}
		return failure(exchange, c.place(), err)
	}
	if err := receiving.run(to, c.Progress); err != nil {
		return to.explain(err)
	}
	receiving.finish()
	c.Message = exchange.Message()
	return nil
}

var errOtherUser = errors.New("the server runs as another user")

// checkPeer refuses another user's server (`unix.owner`).
func checkPeer(conn net.Conn) error {
	if _, isUnix := conn.(*net.UnixConn); !isUnix {
		return nil
	}
	own, err := isOwn(conn)
	if err == nil && !own {
		err = errOtherUser
	}
	return err
}

// connect dials until a server listens, or Wait is over.
func (c *Client) connect(ctx context.Context) (conn net.Conn, err error) {
	end := time.Now().Add(c.Wait)
	for {
		conn, err = c.dial(ctx, deadline(bound(c.Timeout)))
		if err == nil {
			err = checkSelf(conn)
		}
		if err == nil {
			return conn, nil
		}
		if !isOneOf(err, refused) || c.Wait <= 0 || hasPassed(end) {
			return nil, err
		}
		if err := pause(ctx, 20*time.Millisecond); err != nil {
			return nil, err
		}
	}
}

// checkSelf closes a connection to itself (`connect.self`).
func checkSelf(conn net.Conn) error {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return nil
	}
	here, there := tcp.LocalAddr(), tcp.RemoteAddr()
	if here == nil || there == nil { // the kernel did not report one
		tcp.Close()
		return errors.New("the connection's addresses are not known")
	}
	if here.String() == there.String() {
		tcp.Close()
		return syscall.ECONNREFUSED
	}
	return nil
}

// dial connects until end. If the kernel gives up earlier, it dials again (`time.connect`). It fails with the system's
// error, or the context's.
func (c *Client) dial(ctx context.Context, end time.Time) (conn net.Conn, err error) {
	bounded, cancel := ctx, func() {}
	if !end.IsZero() {
		bounded, cancel = context.WithDeadline(ctx, end)
	}
	defer cancel()
	for {
		conn, err = c.dialOnce(bounded)
		if err == nil {
			return conn, nil
		}
		isBusy := c.Path != "" && errors.Is(err, syscall.EAGAIN) // its queue is full, and no event reports free space
		// The clock decides: the context's timer may be late, and then the dialer fails before bounded reports why.
		if ctx.Err() == nil && hasPassed(end) {
			return nil, os.ErrDeadlineExceeded
		}
		if (isBusy || errors.Is(err, syscall.ETIMEDOUT)) && ctx.Err() == nil {
			pause(bounded, 10*time.Millisecond)
			continue
		}
		return nil, first(ctx.Err(), err)
	}
}

func (c *Client) dialOnce(ctx context.Context) (net.Conn, error) {
	if c.Path != "" {
		return dialUnix(ctx, c.Path)
	}
	place := endpoint{!c.IPv4, c.port()}
	dialer := net.Dialer{Control: control, KeepAlive: -1}
	conn, err := dialer.DialContext(ctx, place.network(), place.address())
	if tcp, ok := conn.(*net.TCPConn); ok {
		tcp.SetLinger(0) // until the orderly close: a client that fails or is killed resets (`close.abort`)
	}
	return conn, err
}

// pause waits, unless ctx ends.
func pause(ctx context.Context, length time.Duration) error {
	timer := time.NewTimer(length)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
