package kcom5

func asOtherUser(func()) error { return errNotRun }

func inOwnNetwork(string, func()) error { return errNotRun }
