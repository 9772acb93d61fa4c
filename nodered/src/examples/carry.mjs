import { tab } from '../flow.mjs'
import { carrying } from '../carrying.mjs'

export const file = 'Carry what PEMS tells a device'

export default tab('Carry the inverter', `
The way of a device's commands through Node-RED. The house file has to name the device under [nodered] carries.
`, carrying('inverter', 'the inverter'))
