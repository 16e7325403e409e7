package wholefile

import "errors"

func mountOver(string, string) error { return errors.New("not on this system") }

func unmount(string) {}
