package quic

import (
	"context"
	"errors"
)

var errMigrationNotImplemented = errors.New("connection migration is not implemented yet")

// A Path is a network path of a connection, see Conn.AddPath.
type Path struct{}

// AddPath is for clients that want to migrate to another path. It is not implemented yet and returns an error.
func (c *Conn) AddPath(*Transport) (*Path, error) { return nil, errMigrationNotImplemented }

// Probe is not implemented yet and returns an error.
func (p *Path) Probe(context.Context) error { return errMigrationNotImplemented }

// Switch is not implemented yet and returns an error.
func (p *Path) Switch() error { return errMigrationNotImplemented }

// Close is not implemented yet and returns an error.
func (p *Path) Close() error { return errMigrationNotImplemented }
