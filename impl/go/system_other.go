//go:build !linux && !darwin

package kcom5

// This implementation cannot read a peer's user on other systems, so they have no Unix profile (`unix.owner`).

import (
	"context"
	"errors"
	"net"
	"time"
)

var errNoUnixProfile = errors.New("the Unix profile is not offered on this system")

func listenUnix(context.Context, string, time.Duration) (net.Listener, func(), error) {
	return nil, nil, errNoUnixProfile
}

func dialUnix(context.Context, string) (net.Conn, error) { return nil, errNoUnixProfile }

func isOwn(net.Conn) (bool, error) { return false, errNoUnixProfile }

func peek(net.Conn, []byte) (int, error) { return 0, errNoUnixProfile }

func pendingError(net.Conn) error { return nil }

func hasPeerEnded(net.Conn) (bool, error) { return false, nil }
