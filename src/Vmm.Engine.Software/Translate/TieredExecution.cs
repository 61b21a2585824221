using System.Runtime.CompilerServices;
using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Execute;
using Vmm.Engine.Software.Memory;
using Vmm.Engine.Software.State;

namespace Vmm.Engine.Software.Translate;

/// <summary>The run loop with two tiers: blocks are interpreted until they prove hot, then translated.</summary>
internal static unsafe class TieredExecution
{
    /// <summary>Runs the processor until it leaves the guest.</summary>
    /// <remarks>Compiled when it is first called, as <see cref="Interpreter.Run"/> is and for its reason.</remarks>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Run(LogicalProcessor processor, Translator translator)
    {
        CpuState* s = processor.State;
        BlockCache blocks = processor.Blocks;
        Block* block = blocks.None;
        LinkSite* link = null;
        uint threshold = translator.Threshold;
        while (true)
        {
            // A jump that is to be linked goes on as it will when it is: flags that what follows overwrites are not kept for anybody.
            if (s->EventPending != 0 && link == null)
            {
                block = blocks.None;
                if (!Interpreter.ProcessEvents(processor))
                {
                    return;
                }
            }

            long clearings = blocks.Clearings;
            block = blocks.Next(block);
            if (block == null)
            {
                block = blocks.None;
                link = null;
                if (Interpreter.FetchFailed(processor))
                {
                    continue;
                }

                return;
            }

            if (block->Native == null && block->Heat < threshold && ++block->Heat == threshold && BlockTranslator.Accepts(block)
                && !blocks.TryTranslate(block))
            {
                block = blocks.None;
                link = null;
                continue;
            }

            Instruction* i;
            Outcome outcome;
            if (block->Native != null)
            {
                if (link != null && clearings == blocks.Clearings)
                {
                    blocks.Connect(link, block);
                }

                outcome = RunNative(translator, s, block->Native, out link);
                block = blocks.None;
                if (outcome == Outcome.Branch)
                {
                    continue;
                }

                i = s->CurrentInstruction;
            }
            else
            {
                link = null;
                i = Block.First(block);
                s->CurrentInstruction = i;
                while ((outcome = i->Execute(s, i)) == Outcome.Next)
                {
                    s->CurrentInstruction = ++i;
                }

                if (outcome == Outcome.Branch && (block->Mode & BlockMode.Single) == 0)
                {
                    s->InstructionsRetired += (uint)i->Ordinal + i->Weight;
                    continue;
                }
            }

            if (!Interpreter.Finish(processor, block, i, outcome))
            {
                return;
            }

            block = blocks.None;
            link = null;
        }
    }

    /// <summary>Runs one block, translated at once where it can be. A fault is left in the state and not delivered.</summary>
    public static Outcome Step(LogicalProcessor processor, Translator translator)
    {
        CpuState* s = processor.State;
        processor.ProcessRequests();
        Block* block = processor.Blocks.Lookup(s->BlockMode);
        if (block == null)
        {
            return processor.Mmu.TakeFailure();
        }

        if (!BlockTranslator.Accepts(block) || (block->Native == null && !processor.Blocks.TryTranslate(block)))
        {
            return Interpreter.Step(processor, 0);
        }

        Outcome outcome = RunNative(translator, s, block->Native, out _);
        if (outcome == Outcome.Fault)
        {
            s->Rip = s->CurrentInstruction->Rip;
        }

        s->CurrentInstruction = null;
        return outcome;
    }

    // Until the run loop has something to do. Branch: RIP is set, and the jump that led there may be linked.
    internal static Outcome RunNative(Translator translator, CpuState* s, byte* code, out LinkSite* link)
    {
        link = null;
        while (true)
        {
            switch (translator.Enter(code))
            {
                case NativeExit.Interpret:
                    InterpretSite* site = (InterpretSite*)s->ExitSite;
                    Outcome outcome = translator.Interpret(site);
                    if (outcome != Outcome.Next)
                    {
                        return outcome;
                    }

                    code = Translator.Behind(site);
                    break;
                case NativeExit.Link:
                    link = (LinkSite*)s->ExitSite;
                    s->Rip = link->Target;
                    return Outcome.Branch;
                case NativeExit.Indirect when !Mmu.IsCanonical(s->Rip):
                    IndirectSite* branch = (IndirectSite*)s->ExitSite;
                    s->Gpr.Rsp -= (ulong)(long)branch->StackMoved;
                    s->CurrentInstruction = branch->Instruction;
                    return branch->Instruction->Execute(s, branch->Instruction);
                default:
                    return Outcome.Branch;
            }
        }
    }
}
