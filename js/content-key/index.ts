/** `sluice/content-key`: keys made of content. Beside the main entry, of which it knows nothing. */

export { type ContentKey, type ContentPart, contentKey, type StreamedPart } from './content-key.js'
