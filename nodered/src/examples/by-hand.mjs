import { button, pems, shown, tab } from '../flow.mjs'

export const file = 'Set something by hand'

export default tab('By hand', `
Sets a control for some time; PEMS plans around it and says what it costs. Send {"clear": true} to end it.
`, [{
  name: 'A warm kitchen',
  nodes: [
    button('23 °C for two hours', [0, 0], { value: 23, for_minutes: 120, reason: 'visitors' }, ['kitchen']),
    button('as planned', [0, 1], { clear: true }, ['kitchen']),
    pems('override', 'kitchen', [1, 0], { device: 'heating', control: 'kitchen_setpoint_c', minutes: 120, by: 'Node-RED', reason: '' }, ['price tag', 'refused']),
    shown('price tag', [2, 0], 'payload.costs', true),
    shown('refused', [2, 1], 'payload', true)
  ]
}])
