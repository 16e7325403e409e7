package wholefile

import "syscall"

func mountOver(what, where string) error { return syscall.Mount(what, where, "", syscall.MS_BIND, "") }

func unmount(where string) { syscall.Unmount(where, 0) }
