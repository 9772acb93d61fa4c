/** Where the power goes: each source to each sink, as meters at the edge of the house cannot tell but a person asks. */

/**
 * PV serves the house first, then the battery, then the grid; the battery serves the house before the grid.
 *
 * @param {{pv: number, house: number, import: number, export: number, charge: number, discharge: number}} kw
 */
export function shares (kw) {
  const left = Object.fromEntries(['pv', 'house', 'import', 'export', 'charge', 'discharge'].map((name) => [name, Math.max(0, kw[name] ?? 0)]))
  const found = []
  const flow = (from, source, to, sink) => {
    const amount = Math.min(left[source], left[sink])
    if (amount <= 0) return
    left[source] -= amount
    left[sink] -= amount
    found.push({ from, to, kw: amount })
  }
  flow('pv', 'pv', 'house', 'house')
  flow('pv', 'pv', 'battery', 'charge')
  flow('pv', 'pv', 'grid', 'export')
  flow('battery', 'discharge', 'house', 'house')
  flow('battery', 'discharge', 'grid', 'export')
  flow('grid', 'import', 'house', 'house')
  flow('grid', 'import', 'battery', 'charge')
  return found
}
