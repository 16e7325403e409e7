package kcom5

// Other users and networks of one's own, which Linux gives to a single thread.

import (
	"fmt"
	"os"
	"runtime"
	"syscall"
	"unsafe"
)

var otherUsers = []int{65534, 1, 2, 1000} // a user namespace may have some of them only

// asOtherUser acts with the rights of another user, on a thread that nothing else gets then.
func asOtherUser(act func()) error {
	return onOwnThread(func() error {
		none := ^uintptr(0)
		var errno syscall.Errno
		for _, user := range otherUsers {
			if user == os.Geteuid() {
				continue
			}
			if _, _, errno = syscall.RawSyscall(syscall.SYS_SETRESUID, none, uintptr(user), none); errno == 0 {
				act()
				return nil
			}
		}
		return fmt.Errorf("%w: another user: setresuid: %v", errNotRun, errno)
	})
}

// inOwnNetwork acts where there is a loopback and nothing else. ports, if not empty, are those that the system chooses.
func inOwnNetwork(ports string, act func()) error {
	return onOwnThread(func() error {
		if err := syscall.Unshare(syscall.CLONE_NEWNET); err != nil {
			return fmt.Errorf("%w: a network of its own: unshare: %v", errNotRun, err)
		}
		fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_DGRAM, 0)
		if err != nil {
			return err
		}
		defer syscall.Close(fd)
		request := struct {
			name  [16]byte
			flags uint16
			_     [22]byte
		}{flags: syscall.IFF_UP | syscall.IFF_RUNNING}
		copy(request.name[:], "lo")
		_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(fd), syscall.SIOCSIFFLAGS, uintptr(unsafe.Pointer(&request)))
		if errno != 0 {
			return errno
		}
		if ports != "" {
			if err := os.WriteFile("/proc/sys/net/ipv4/ip_local_port_range", []byte(ports), 0o644); err != nil {
				return fmt.Errorf("%w: a network of its own: %v", errNotRun, err)
			}
		}
		act()
		return nil
	})
}

// onOwnThread ends the thread afterwards: it is never unlocked.
func onOwnThread(act func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		done <- act()
	}()
	return <-done
}
