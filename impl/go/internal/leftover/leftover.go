// Package leftover knows the files whose name is only for now, so that a process that cannot wait for their owners can
// remove them before it ends.
package leftover

import "sync"

var all struct {
	sync.Mutex
	last   int
	remove map[int]func()
}

// Add registers how a file is removed, until forget is called.
func Add(remove func()) (forget func()) {
	all.Lock()
	defer all.Unlock()
	if all.remove == nil {
		all.remove = map[int]func(){}
	}
	all.last++
	key := all.last
	all.remove[key] = remove
	return func() {
		all.Lock()
		defer all.Unlock()
		delete(all.remove, key)
	}
}

// RemoveAll removes what is registered.
func RemoveAll() {
	all.Lock()
	defer all.Unlock()
	for _, remove := range all.remove {
		remove()
	}
}
