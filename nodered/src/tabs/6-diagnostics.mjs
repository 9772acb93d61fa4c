import { pems, shown, tab } from '../flow.mjs'

export default tab('Diagnostics', `
Errors of all flows and nodes, and everything that is known of the house as one object.
`, [
  {
    name: 'Errors of flows',
    nodes: [
      { type: 'catch', name: 'any error', at: [0, 0], scope: null, uncaught: false, to: ['errors'] },
      shown('errors', [1, 0], 'error', true)
    ]
  },
  {
    name: 'The house as one object',
    nodes: [
      pems('house', 'everything', [0, 0], {}, ['snapshot', []]),
      shown('snapshot', [1, 0])
    ]
  }
])
