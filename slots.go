package reactor

import "sync/atomic"

// A slot is the place of one registration. The kernel carries a slot's number and generation with an event,
// and not the token: what comes back with an old generation belongs to a registration that is gone, and
// is dropped.
//
// Slots are written under the Poll's lock and read by Wait without it.
type slot struct {
	// state is the generation in the upper half, interest and mode in the lower. It is stored after
	// the token, so that a reader who finds it unchanged has read the token that belongs to it.
	state atomic.Uint64
	// token is the registration's; in a free slot, the number of the next free one.
	token atomic.Uintptr
}

// A slotID is what the kernel carries: a slot's number below, its generation above.
type slotID uint64

func (id slotID) index() uint32      { return uint32(id) }
func (id slotID) generation() uint32 { return uint32(id >> 32) }

// next is the same slot in its next generation.
func (id slotID) next() slotID { return id + 1<<32 }

const (
	slotChunkBits = 9
	slotChunkLen  = 1 << slotChunkBits

	slotInterestMask = 0xff
	slotModeShift    = 8
	noSlot           = ^uint32(0)
)

// slotTable holds the slots of one Poll. It grows in chunks, which never move: a reader needs no lock.
type slotTable struct {
	chunks atomic.Pointer[[]*[slotChunkLen]slot]
	free   uint32 // head of the list of free slots, or noSlot
}

func (t *slotTable) init() {
	t.free = noSlot
	t.chunks.Store(new([]*[slotChunkLen]slot))
}

func (t *slotTable) at(index uint32) *slot {
	return &(*t.chunks.Load())[index>>slotChunkBits][index%slotChunkLen]
}

// add takes a free slot for a registration. The caller holds the Poll's lock, as for set and remove.
func (t *slotTable) add(token Token, interest Interest, mode Mode) slotID {
	if t.free == noSlot {
		t.grow()
	}
	index := t.free
	s := t.at(index)
	t.free = uint32(s.token.Load())
	return t.set(slotID(s.state.Load()>>32<<32|uint64(index)), token, interest, mode)
}

// set changes what a taken slot holds, and gives its id: the one that it is given.
func (t *slotTable) set(id slotID, token Token, interest Interest, mode Mode) slotID {
	s := t.at(id.index())
	generation := uint64(id) >> 32 << 32
	// The generation first: whoever has read the one before does not take the token for its own.
	s.state.Store(generation)
	s.token.Store(uintptr(token))
	s.state.Store(generation | uint64(mode)<<slotModeShift | uint64(interest))
	return id
}

// id gives the id of a taken slot.
func (t *slotTable) id(index uint32) slotID {
	return slotID(t.at(index).state.Load()>>32<<32 | uint64(index))
}

// remove frees a slot. From here on no event finds its way to the registration.
func (t *slotTable) remove(index uint32) {
	s := t.at(index)
	s.state.Store((s.state.Load()>>32 + 1) << 32)
	s.token.Store(uintptr(t.free))
	t.free = index
}

// find gives the token, interest and mode of the registration that id names, if there still is one.
func (t *slotTable) find(id slotID) (token Token, interest Interest, mode Mode, ok bool) {
	chunks := *t.chunks.Load()
	chunk := id.index() >> slotChunkBits
	if int(chunk) >= len(chunks) {
		return 0, 0, 0, false
	}
	s := &chunks[chunk][id.index()%slotChunkLen]
	for {
		state := s.state.Load()
		if uint32(state>>32) != id.generation() {
			return 0, 0, 0, false
		}
		token = Token(s.token.Load())
		if s.state.Load() == state {
			interest = Interest(state & slotInterestMask)
			return token, interest, Mode(state >> slotModeShift & 0xff), interest != 0
		}
	}
}

func (t *slotTable) grow() {
	old := *t.chunks.Load()
	first := uint32(len(old)) << slotChunkBits
	chunk := new([slotChunkLen]slot)
	for i := range chunk {
		chunk[i].token.Store(uintptr(first) + uintptr(i) + 1)
	}
	chunk[slotChunkLen-1].token.Store(uintptr(noSlot))
	chunks := make([]*[slotChunkLen]slot, len(old)+1)
	chunks[copy(chunks, old)] = chunk
	t.chunks.Store(&chunks)
	t.free = first
}
