//go:build tools

// Package kubo pins the Kubo that the interop suite and the exchange bench talk to.
package kubo

import _ "github.com/ipfs/kubo/cmd/ipfs"
