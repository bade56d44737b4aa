/** Waits for a batch and nothing else: the process is not to end before. */

import { BatchProcessor } from '../../../js/index.js'

const processor = new BatchProcessor()
const hangs = () => new Promise<never>(() => {})
processor.getCachedData('a', hangs, { fetchTimeoutMs: 8 }).catch((error: Error) => console.log(error.message))
