import { pems, shown, tab } from '../flow.mjs'

export const file = 'A device of your own'

export default tab('A device of your own', `
What PEMS has decided, as the start of a flow. The value is in msg.payload, the reason in msg.reason.
`, [{
  name: 'A lamp that is on while energy is stored',
  note: 'Put the node of your lamp behind the switch',
  nodes: [
    pems('decision', 'mode of the inverter', [0, 0], { device: 'inverter', control: 'mode', mode: 'show' }, ['stores?']),
    {
      type: 'switch', name: 'stores?', at: [1, 0], property: 'payload', propertyType: 'msg', checkall: 'true', repair: false, outputs: 2,
      rules: [{ t: 'eq', v: 'battery_first', vt: 'str' }, { t: 'else' }], to: ['on', 'off']
    },
    shown('on', [2, 0], 'reason', true),
    shown('off', [2, 1], 'reason', true)
  ]
}])
