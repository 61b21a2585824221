using System.Runtime.CompilerServices;
using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.State;

namespace Vmm.Engine.Software.Execute;

/// <summary>The run loop.</summary>
internal static unsafe class Interpreter
{
    /// <summary>Runs the processor until it leaves the guest.</summary>
    /// <remarks>
    /// Compiled when it is first called, not ahead of time: it may be called once and run for ever, and nothing would
    /// replace the code of a loop that is never entered again.
    /// </remarks>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Run(LogicalProcessor processor)
    {
        CpuState* s = processor.State;
        BlockCache blocks = processor.Blocks;
        Block* block = blocks.None;
        while (true)
        {
            if (s->EventPending != 0)
            {
                block = blocks.None;
                if (!ProcessEvents(processor))
                {
                    return;
                }
            }

            block = blocks.Next(block);
            if (block == null)
            {
                block = blocks.None;
                if (FetchFailed(processor))
                {
                    continue;
                }

                return;
            }

            Instruction* i = Block.First(block);
            s->CurrentInstruction = i;
            Outcome outcome;
            while ((outcome = i->Execute(s, i)) == Outcome.Next)
            {
                s->CurrentInstruction = ++i;
            }

            if (outcome == Outcome.Branch && (block->Mode & BlockMode.Single) == 0)
            {
                s->InstructionsRetired += (uint)i->Ordinal + i->Weight;
                continue;
            }

            if (!Finish(processor, block, i, outcome))
            {
                return;
            }

            block = blocks.None;
        }
    }

    /// <summary>Runs one block decoded for the current mode and <paramref name="extraMode"/>.</summary>
    public static Outcome Step(LogicalProcessor processor, uint extraMode)
    {
        CpuState* s = processor.State;
        processor.ProcessRequests();
        Block* block = processor.Blocks.Lookup(s->BlockMode | extraMode);
        if (block == null)
        {
            return processor.Mmu.TakeFailure();
        }

        Instruction* i = Block.First(block);
        s->CurrentInstruction = i;
        Outcome outcome;
        while ((outcome = i->Execute(s, i)) == Outcome.Next)
        {
            s->CurrentInstruction = ++i;
        }

        s->CurrentInstruction = null;
        s->InstructionsRetired += i->Ordinal;
        if (outcome == Outcome.Branch)
        {
            s->InstructionsRetired += i->Weight;
        }
        else if (outcome == Outcome.Fault)
        {
            s->Rip = i->Rip;
        }

        return outcome;
    }

    /// <summary>What is due between blocks; false: leave the guest.</summary>
    internal static bool ProcessEvents(LogicalProcessor processor)
    {
        CpuState* s = processor.State;
        s->CurrentInstruction = null;
        Interlocked.Exchange(ref s->EventPending, 0);
        processor.ProcessRequests();
        return processor.Events.Process(processor);
    }

    /// <summary>After no block was found at RIP; false: leave the guest.</summary>
    internal static bool FetchFailed(LogicalProcessor processor)
    {
        processor.State->CurrentInstruction = null;
        return processor.Mmu.TakeFailure() switch
        {
            Outcome.Fault => processor.Events.DeliverFault(processor),
            Outcome.Leave => false,
            _ => true,
        };
    }

    /// <summary>After a block that ended with anything but a plain branch, at <paramref name="i"/>; false: leave the guest.</summary>
    internal static bool Finish(LogicalProcessor processor, Block* block, Instruction* i, Outcome outcome)
    {
        CpuState* s = processor.State;
        s->CurrentInstruction = null;
        s->InstructionsRetired += i->Ordinal;
        switch (outcome)
        {
            case Outcome.Branch:
                s->InstructionsRetired += i->Weight;
                if ((block->DecodedMode & BlockMode.Single) != 0)
                {
                    processor.Events.InstructionCompleted(processor, block->DecodedMode);
                }

                return true;
            case Outcome.Fault:
                s->Rip = i->Rip;
                return processor.Events.DeliverFault(processor);
            case Outcome.Restart:
                return true;
            default:
                return false;
        }
    }
}
