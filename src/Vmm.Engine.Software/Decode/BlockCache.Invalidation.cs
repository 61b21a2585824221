namespace Vmm.Engine.Software.Decode;

/// <summary>Code that was overwritten.</summary>
internal sealed unsafe partial class BlockCache
{
    /// <summary>
    /// Drops the blocks that hold any of the bytes; all from one page. True when the page has no blocks left.
    /// A block that is running ends after the current instruction.
    /// </summary>
    public bool Invalidate(ulong place, int length)
    {
        ulong page = place >> 12;
        ulong end = place + (ulong)length;
        if (_pages.TryGetValue(page, out nint head))
        {
            Block** link = (Block**)&head;
            for (Block* block = *link; block != null; block = *link)
            {
                if (block->Mode == BlockMode.None || (block->Place < end && place < block->Place + block->Length)
                    || (block->Native != null && block->AheadStart < end && place < block->AheadEnd))
                {
                    *link = block->NextInPage;
                    Kill(block);
                }
                else
                {
                    link = &block->NextInPage;
                }
            }

            Keep(_pages, page, head);
        }

        if (_secondPages.TryGetValue(page, out nint second))
        {
            Block** link = (Block**)&second;
            for (Block* block = *link; block != null; block = *link)
            {
                if (block->Mode == BlockMode.None || (place & 0xFFF) < (block->Place & 0xFFF) + block->Length - 0x1000)
                {
                    *link = block->NextInSecondPage;
                    Kill(block);
                }
                else
                {
                    link = &block->NextInSecondPage;
                }
            }

            Keep(_secondPages, page, second);
        }

        return head == 0 && second == 0;
    }

    private static void Keep(Dictionary<ulong, nint> pages, ulong page, nint head)
    {
        if (head == 0)
        {
            pages.Remove(page);
        }
        else
        {
            pages[page] = head;
        }
    }

    // Links and jump entries that lead here die with the mode; a list that still holds the block drops it when walked next.
    private void Kill(Block* block)
    {
        if (block->Mode == BlockMode.None)
        {
            return;
        }

        block->Mode = BlockMode.None;
        if (block->Native != null)
        {
            Translator!.Drop(block);
        }

        Instruction* first = Block.First(block);
        for (int n = 0; n < block->SlotCount; n++)
        {
            first[n].Execute = &Block.End;
            first[n].Weight = 0;
        }

        for (Block** link = Bucket(block->Place); *link != null; link = &(*link)->NextInBucket)
        {
            if (*link == block)
            {
                *link = block->NextInBucket;
                return;
            }
        }
    }
}
