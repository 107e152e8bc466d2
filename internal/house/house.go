// Package house holds the rules of the house as tests: who may import whom,
// how long files and functions may be, what must be documented. It has no
// code of its own and is imported by nobody.
// Start at deps.txt, the list of rooms and their allowed imports.
package house
