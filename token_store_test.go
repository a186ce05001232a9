package quic

import (
	"strconv"
	"sync"
	"testing"
)

func putTokens(s TokenStore, key string, names ...string) {
	for _, n := range names {
		s.Put(key, &ClientToken{data: []byte(n)})
	}
}

// popAll empties key and returns the tokens in the order of Pop.
func popAll(s TokenStore, key string) string {
	all := ""
	for tok := s.Pop(key); tok != nil; tok = s.Pop(key) {
		all += string(tok.data)
	}
	return all
}

func TestTokenStoreReturnsNewestFirst(t *testing.T) {
	s := NewLRUTokenStore(1, 4)
	putTokens(s, "host", "a", "b", "c")
	if got := popAll(s, "host"); got != "cba" {
		t.Errorf("tokens = %q, want cba", got)
	}
}

func TestTokenStoreDropsOldestToken(t *testing.T) {
	s := NewLRUTokenStore(1, 3)
	putTokens(s, "host", "a", "b", "c", "d", "e")
	if got := popAll(s, "host"); got != "edc" {
		t.Errorf("tokens = %q, want edc", got)
	}
}

func TestTokenStoreDropsLeastRecentOrigin(t *testing.T) {
	s := NewLRUTokenStore(2, 2)
	putTokens(s, "one", "a", "b")
	putTokens(s, "two", "c")
	s.Pop("one") // is used now
	putTokens(s, "three", "d")
	if one, two, three := popAll(s, "one"), popAll(s, "two"), popAll(s, "three"); one != "a" || two != "" || three != "d" {
		t.Errorf("tokens = %q, %q, %q, want a, none, d", one, two, three)
	}
}

func TestTokenStoreIgnoresNil(t *testing.T) {
	s := NewLRUTokenStore(1, 1)
	s.Put("host", nil)
	if got := s.Pop("host"); got != nil {
		t.Errorf("Pop = %v, want nil", got)
	}
	s.Put("host", &ClientToken{data: []byte("a")})
	s.Put("other", nil) // does not push out host
	if got := popAll(s, "host"); got != "a" {
		t.Errorf("tokens = %q, want a", got)
	}
}

func TestTokenStoreWithoutRoom(t *testing.T) {
	for _, s := range []TokenStore{NewLRUTokenStore(0, 1), NewLRUTokenStore(1, 0), NewLRUTokenStore(-1, -1)} {
		putTokens(s, "host", "a")
		if got := s.Pop("host"); got != nil {
			t.Errorf("Pop = %v, want nil", got)
		}
	}
}

// S-48: a server cannot make the store grow.
func TestTokenStoreIsBounded(t *testing.T) {
	s := NewLRUTokenStore(10, 4).(*lruTokenStore)
	for i := range 100_000 {
		putTokens(s, strconv.Itoa(i%37), "x")
	}
	held := 0
	for _, e := range s.origins {
		held += cap(e.Value.(*tokenOrigin).tokens)
	}
	if len(s.origins) > 10 || s.recent.Len() > 10 || held > 10*8 {
		t.Errorf("%d origins, %d in order, room for %d tokens, want at most 10, 10, 80", len(s.origins), s.recent.Len(), held)
	}
}

func TestTokenStoreConcurrently(t *testing.T) {
	s := NewLRUTokenStore(3, 2)
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for n := range 1000 {
				key := strconv.Itoa((i + n) % 5)
				putTokens(s, key, "x")
				s.Pop(key)
			}
		})
	}
	wg.Wait()
}
